// The two 16-bit floats: conversion to and from float.
//
// bf16 is the upper half of a float (1 sign, 8 exponent, 7 mantissa bits); f16
// is IEEE 754 binary16 (1, 5, 10). A float becomes the nearest of 16 bits, ties
// to even, and infinity beyond the largest finite number; a NaN stays a (quiet)
// NaN. (Weights and states without f32 beside them round stochastically.) The
// way back is exact. No branch depends on data, so that loops
// vectorize, and no subnormal passes through arithmetic, so that flush-to-zero
// modes can't matter.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

namespace dure {

struct Bf16 {
  std::uint16_t bits;
  bool operator==(const Bf16&) const = default;
};

struct F16 {
  std::uint16_t bits;
  bool operator==(const F16&) const = default;
};

constexpr float to_float(float value) {
  return value;
}

constexpr float to_float(Bf16 value) {
  return std::bit_cast<float>(std::uint32_t{value.bits} << 16);
}

constexpr float to_float(F16 value) {
  const std::uint32_t sign = std::uint32_t{value.bits & 0x8000U} << 16;
  const std::uint32_t magnitude = value.bits & 0x7FFFU;
  // Exponent 0 is a count of 2^-24; 31 is infinity or NaN; the rest only move
  // to float's bias, 112 higher.
  const auto subnormal = std::bit_cast<std::uint32_t>(
      static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24F);
  const std::uint32_t shifted = magnitude << 13;
  const std::uint32_t normal = shifted + (112U << 23);
  const std::uint32_t special = shifted | 0x7F800000U;
  const std::uint32_t bits = magnitude < 0x0400U   ? subnormal
                             : magnitude < 0x7C00U ? normal
                                                   : special;
  return std::bit_cast<float>(sign | bits);
}

constexpr Bf16 to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  const std::uint32_t quiet_nan = (bits >> 16) | 0x0040U;
  const bool nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
  return {static_cast<std::uint16_t>(nan ? quiet_nan : rounded)};
}

// Stochastic rounding: one of the two neighbours of the value, each the
// likelier the nearer it is, so that the mean of many is the value. `word` is
// 32 random bits, of which the upper 16 are added below the kept ones before
// the rest is cut off. A value that bf16 can represent stays; so do infinity
// and NaN.
constexpr Bf16 to_bf16_stochastic(float value, std::uint32_t word) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + (word >> 16)) >> 16;
  const bool is_finite = (bits & 0x7F800000U) != 0x7F800000U;
  return {is_finite ? static_cast<std::uint16_t>(rounded)
                    : to_bf16(value).bits};
}

constexpr F16 to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  // A float in [1/2, 1) counts in 2^-24, f16's smallest step: the addition
  // rounds to it.
  const bool below_normal = magnitude < (113U << 23);
  const std::uint32_t subnormal =
      std::bit_cast<std::uint32_t>(
          0.5F + (below_normal ? std::bit_cast<float>(magnitude) : 0.0F)) -
      std::bit_cast<std::uint32_t>(0.5F);
  const std::uint32_t normal =
      (magnitude - (112U << 23) + 0x0FFFU + ((magnitude >> 13) & 1U)) >> 13;
  const std::uint32_t nan = 0x7E00U | ((magnitude >> 13) & 0x03FFU);
  const std::uint32_t half = magnitude > 0x7F800000U     ? nan
                             : magnitude >= (143U << 23) ? 0x7C00U  // 2^16
                             : below_normal              ? subnormal
                                                         : normal;
  return {static_cast<std::uint16_t>(sign | half)};
}

// Converts to a type that is known when compiling.
template <typename Element>
constexpr Element from_float(float value) {
  if constexpr (std::is_same_v<Element, Bf16>) {
    return to_bf16(value);
  } else if constexpr (std::is_same_v<Element, F16>) {
    return to_f16(value);
  } else {
    static_assert(std::is_same_v<Element, float>);
    return value;
  }
}

}  // namespace dure
