// Parts of tensors of f32, bf16 or f16 as arrays of f32, and back.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_WIDEN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_WIDEN_INL_H_
#undef DURE_KERNELS_CPU_WIDEN_INL_H_
#else
#define DURE_KERNELS_CPU_WIDEN_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include "dure/kernels/cpu/range.h"
#include "dure/kernels/cpu/vector_loop-inl.h"
#include "dure/tensor/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// y[i] = x[part.first + i]
inline void widen(const ConstTensor& x, Range part, float* y) {
  if (x.dtype() == DType::kBf16) {
    convert(x.data<Bf16>() + part.first, part.count(), y);
  } else if (x.dtype() == DType::kF16) {
    convert(x.data<F16>() + part.first, part.count(), y);
  } else {
    convert(x.data<float>() + part.first, part.count(), y);
  }
}

// y[part.first + i] = x[i], rounded to nearest.
inline void narrow(const float* x, Range part, const Tensor& y) {
  if (y.dtype() == DType::kBf16) {
    convert(x, part.count(), y.data<Bf16>() + part.first);
  } else if (y.dtype() == DType::kF16) {
    convert(x, part.count(), y.data<F16>() + part.first);
  } else {
    convert(x, part.count(), y.data<float>() + part.first);
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
