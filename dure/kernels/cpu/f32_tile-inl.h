// A tile of a tensor as f32, whatever its type: for loops that are compiled
// once, not for each type. A tile of f32 is used in place; one of 16 bits goes
// through a buffer on the caller's stack.
//
//   HWY_ALIGN float buffer[kTile];
//   const float* const x = load_tile(op.x, tile, buffer);
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_F32_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_F32_TILE_INL_H_
#undef DURE_KERNELS_CPU_F32_TILE_INL_H_
#else
#define DURE_KERNELS_CPU_F32_TILE_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <cstdint>

#include "dure/kernels/cpu/range.h"
#include "dure/kernels/cpu/vector_loop-inl.h"
#include "dure/tensor/element_type.h"
#include "dure/tensor/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// Where the f32 of a tile of y are: in y itself, or in the buffer.
inline float* place_of_tile(const Tensor& y, Range tile, float* buffer) {
  return y.dtype() == DType::kF32 ? y.data<float>() + tile.first : buffer;
}

// The elements of a tile of x.
inline const float* load_tile(const ConstTensor& x, Range tile, float* buffer) {
  if (x.dtype() == DType::kF32) {
    return x.data<float>() + tile.first;
  }
  with_float_type(x.dtype(), [&](auto element) HWY_ATTR {
    convert(x.data<decltype(element)>() + tile.first, tile.count(), buffer);
  });
  return buffer;
}

// Writes a tile of y back, whose f32 are at place_of_tile().
inline void store_tile(const Tensor& y, Range tile, const float* place) {
  if (y.dtype() == DType::kF32) {
    return;
  }
  with_float_type(y.dtype(), [&](auto element) HWY_ATTR {
    convert(place, tile.count(), y.data<decltype(element)>() + tile.first);
  });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
