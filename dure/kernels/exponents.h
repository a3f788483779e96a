// Where CountExponents counts a number: whole-number arithmetic on the bits of
// an f32, so that modes that flush subnormals can't matter. All is constexpr,
// so that a GPU's code can call it, too.
#pragma once

#include <bit>
#include <cstdint>

#include "dure/kernels/count_exponents.h"

namespace dure::kernels {

inline constexpr int kFractionBits = 23;  // of an f32
inline constexpr std::uint32_t kFraction = (1U << kFractionBits) - 1;
inline constexpr std::uint32_t kInfinity = 0x7F800000U;
inline constexpr int kBias = 127;

constexpr std::uint32_t magnitude_of(float value) {
  return std::bit_cast<std::uint32_t>(value) & ~(1U << 31);
}

// An exponent, and a significand without its leading 1.
struct ExponentParts {
  int exponent = 0;
  std::uint32_t fraction = 0;
};

// The parts of a magnitude that is neither 0 nor infinite. A subnormal counts
// in 2^kFirst, and its highest bit is the leading 1.
constexpr ExponentParts parts_of(std::uint32_t magnitude) {
  if (magnitude > kFraction) {
    return {static_cast<int>(magnitude >> kFractionBits) - kBias,
            magnitude & kFraction};
  }
  const int highest = std::bit_width(magnitude) - 1;
  return {CountExponents::kFirst + highest,
          (magnitude << (kFractionBits - highest)) & kFraction};
}

constexpr std::int64_t place_of(std::uint32_t magnitude,
                                std::uint32_t scale_fraction) {
  if (magnitude == 0) {
    return CountExponents::kZeros;
  }
  if (magnitude >= kInfinity) {
    return CountExponents::kNonfinite;
  }
  const ExponentParts parts = parts_of(magnitude);
  return parts.fraction < scale_fraction
             ? CountExponents::below(parts.exponent)
             : CountExponents::not_below(parts.exponent);
}

}  // namespace dure::kernels
