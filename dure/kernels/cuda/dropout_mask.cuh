// Which elements a mask keeps, in device code.
#pragma once

#include <cmath>

#include "dure/kernels/cuda/philox.cuh"
#include "dure/kernels/dropout.h"

namespace dure::kernels {

// A mask as a kernel's argument.
struct DeviceMask {
  PhiloxKey key;
  const std::int64_t* first_sample;
  std::int64_t elements_per_sample;
  std::int64_t offset;
  std::uint32_t threshold;  // of the upper 24 bits of a word
  float scale;              // of what is kept

  __device__ std::uint64_t first_index() const {
    return static_cast<std::uint64_t>(*first_sample * elements_per_sample +
                                      offset);
  }
  __device__ bool keeps(std::uint32_t word) const {
    return (word >> 8) >= threshold;
  }
};

inline DeviceMask device_mask(const DropoutMask& mask) {
  return {
      .key = mask.stream.key(),
      .first_sample =
          mask.rate > 0 ? mask.first_sample.data<std::int64_t>() : nullptr,
      .elements_per_sample = mask.elements_per_sample,
      .offset = mask.offset,
      .threshold = static_cast<std::uint32_t>(std::ceil(0x1p24F * mask.rate)),
      .scale = 1 / (1 - mask.rate)};
}

}  // namespace dure::kernels
