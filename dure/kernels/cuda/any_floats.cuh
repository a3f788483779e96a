// Operands whose type is known when running: f32, bf16 or f16. All threads of a
// kernel take the same branch.
#pragma once

#include "dure/kernels/cuda/elements.cuh"
#include "dure/tensor/tensor.h"

namespace dure::kernels {

struct AnyFloats {
  void* data = nullptr;
  DType dtype = DType::kF32;

  AnyFloats() = default;
  explicit AnyFloats(const ConstTensor& x, std::int64_t first = 0)
      : data(x ? static_cast<std::byte*>(const_cast<void*>(x.bytes())) +
                     first * static_cast<std::int64_t>(size_of(x.dtype()))
               : nullptr),
        dtype(x.dtype()) {}

  template <int kCount>
  __device__ Floats<kCount> load(std::int64_t i) const {
    switch (dtype) {
      case DType::kBf16:
        return load_pack<kCount>(static_cast<const Bf16*>(data) + i);
      case DType::kF16:
        return load_pack<kCount>(static_cast<const F16*>(data) + i);
      default:
        return load_pack<kCount>(static_cast<const float*>(data) + i);
    }
  }

  template <int kCount>
  __device__ void store(std::int64_t i, const Floats<kCount>& values) const {
    switch (dtype) {
      case DType::kBf16:
        return store_pack(values, static_cast<Bf16*>(data) + i);
      case DType::kF16:
        return store_pack(values, static_cast<F16*>(data) + i);
      default:
        return store_pack(values, static_cast<float*>(data) + i);
    }
  }

  __device__ float load_one(std::int64_t i) const { return load<1>(i).of[0]; }
  __device__ void store_one(std::int64_t i, float value) const {
    store<1>(i, {{value}});
  }

  // Whether `count` elements can be read at once, from the first on.
  bool is_aligned(int count) const {
    return reinterpret_cast<std::uintptr_t>(data) %
               (size_of(dtype) * static_cast<std::size_t>(count)) ==
           0;
  }
};

}  // namespace dure::kernels
