// Elements in device code: conversion, and reading and writing 16 bytes at
// once.
#pragma once

#include <cstdint>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "dure/base/half.h"

namespace dure::kernels {

// The conversions of base/half.h by the device's own instructions. They differ
// only in which NaN a NaN becomes.
__device__ inline float widened(float value) {
  return value;
}
__device__ inline float widened(Bf16 value) {
  return __uint_as_float(std::uint32_t{value.bits} << 16);
}
__device__ inline float widened(F16 value) {
  return __half2float(__ushort_as_half(value.bits));
}

template <typename Element>
__device__ Element rounded(float value);
template <>
__device__ inline float rounded<float>(float value) {
  return value;
}
template <>
__device__ inline Bf16 rounded<Bf16>(float value) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(value))};
}
template <>
__device__ inline F16 rounded<F16>(float value) {
  return {__half_as_ushort(__float2half_rn(value))};
}

// So many elements that are read and written at once. Their address is a
// multiple of their size.
template <typename Element, int kCount>
struct alignas(sizeof(Element) * kCount) Pack {
  Element of[kCount];
};

template <int kCount>
struct Floats {
  float of[kCount];
};

template <int kCount, typename Element>
__device__ Floats<kCount> load_pack(const Element* from) {
  const auto pack = *reinterpret_cast<const Pack<Element, kCount>*>(from);
  Floats<kCount> values;
  for (int i = 0; i < kCount; ++i) {
    values.of[i] = widened(pack.of[i]);
  }
  return values;
}

template <int kCount, typename Element>
__device__ void store_pack(const Floats<kCount>& values, Element* to) {
  Pack<Element, kCount> pack;
  for (int i = 0; i < kCount; ++i) {
    pack.of[i] = rounded<Element>(values.of[i]);
  }
  *reinterpret_cast<Pack<Element, kCount>*>(to) = pack;
}

}  // namespace dure::kernels
