#include "dure/kernels/lion.h"

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/lion.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/update_spans.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The sign: -1, 0 or 1.
HWY_INLINE Vector sign_of(Vector x) {
  const Vector one = hn::CopySign(broadcast(1), x);
  return hn::IfThenZeroElse(hn::Eq(x, broadcast(0)), one);
}

void lion_span(const Lion& op,
               const UpdateSpan& span,
               std::int64_t first,
               std::int64_t last) {
  const float* const control = op.control.data<float>();
  const Vector scale = broadcast(control[1]);
  const Vector rate = broadcast(control[2]);
  const Vector beta1 = broadcast(op.beta1);
  const Vector beta2 = broadcast(op.beta2);
  const Vector rest1 = broadcast(1 - op.beta1);
  const Vector rest2 = broadcast(1 - op.beta2);
  const Vector keep = broadcast(1 - control[2] * span.weight_decay);
  float* const w = span.master.data<float>();
  float* const weight = span.weight.data<float>();
  float* const m = span.states[0].data<float>();
  const float* const gradient = span.gradient.data<float>();
  for_each_vector(first, last, [&](std::int64_t i, auto part) HWY_ATTR {
    const Vector g = hn::Mul(part.load(gradient + i), scale);
    const Vector old_m = part.load(m + i);
    const Vector direction =
        sign_of(hn::MulAdd(beta1, old_m, hn::Mul(rest1, g)));
    const Vector new_w =
        hn::NegMulAdd(rate, direction, hn::Mul(keep, part.load(w + i)));
    part.store(hn::MulAdd(beta2, old_m, hn::Mul(rest2, g)), m + i);
    part.store(new_w, w + i);
    part.store(new_w, weight + i);
  });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(lion_span);

void run(OnCpu, Stream& stream, const Lion& op) {
  parallel_update(
      stream,
      op,
      [&](const UpdateSpan& span, std::int64_t first, std::int64_t last) {
        HWY_DYNAMIC_DISPATCH(lion_span)(op, span, first, last);
      });
}

}  // namespace dure::kernels
#endif
