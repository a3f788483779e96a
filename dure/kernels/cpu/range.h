// Ranges of indices, and their parts.
#pragma once

#include <cstdint>

namespace dure::kernels {

// A half-open range.
struct Range {
  std::int64_t first = 0;
  std::int64_t last = 0;

  constexpr std::int64_t count() const { return last - first; }
  bool operator==(const Range&) const = default;
};

// The part-th of `parts` nearly even parts of a range.
constexpr Range part_of(Range whole, std::int64_t part, std::int64_t parts) {
  return {whole.first + whole.count() * part / parts,
          whole.first + whole.count() * (part + 1) / parts};
}

}  // namespace dure::kernels
