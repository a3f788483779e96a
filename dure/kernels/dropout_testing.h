// Helpers for the tests of operations with dropout.
#pragma once

#include <string_view>

#include "dure/kernels/dropout.h"

namespace dure::kernels {

// A mask whose first element is the run's `first_index`: it lies at some offset
// from the third sample, of five elements each.
inline DropoutMask mask_from(std::string_view name,
                             float rate,
                             std::uint64_t first_index = 0) {
  static const std::int64_t kSample = 3;
  constexpr std::int64_t kElements = 5;
  return {.stream = RandomStream(3, name),
          .first_sample = {&kSample, {1}},
          .elements_per_sample = kElements,
          .offset = static_cast<std::int64_t>(first_index) - 3 * kElements,
          .rate = rate};
}

}  // namespace dure::kernels
