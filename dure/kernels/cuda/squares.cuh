// Sums of squares in groups, in the order of cpu/squares-inl.h.
#pragma once

#include "dure/kernels/squared_norm.h"

namespace dure::kernels {

inline constexpr std::int64_t kSquareGroup = SquaredNorm::kGroup;

// The sum over a group of `count` elements, of which value_of(j) is one. Zeros
// fill up the last group.
template <typename ValueOf>
__device__ double squares_of_group(std::int64_t count,
                                   const ValueOf& value_of) {
  const auto square_of = [&](std::int64_t j) {
    const double value = j < count ? value_of(j) : 0.0F;
    return value * value;
  };
  double part[kSquareGroup / 2];
  for (std::int64_t j = 0; j < kSquareGroup / 2; ++j) {
    part[j] = square_of(j) + square_of(j + kSquareGroup / 2);
  }
  return ((part[0] + part[1]) + (part[2] + part[3])) +
         ((part[4] + part[5]) + (part[6] + part[7]));
}

}  // namespace dure::kernels
