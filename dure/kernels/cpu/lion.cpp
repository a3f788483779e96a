#include "dure/kernels/lion.h"

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/lion.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/update_block-inl.h"
#include "dure/kernels/cpu/update_spans.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The sign: -1, 0 or 1.
HWY_INLINE Vector sign_of(Vector x) {
  const Vector one = hn::CopySign(broadcast(1), x);
  return hn::IfThenZeroElse(hn::Eq(x, broadcast(0)), one);
}

inline constexpr SpanUse kLionUse = {
    .master = Use::kUpdate, .gradient = Use::kRead, .states = {Use::kUpdate}};

void lion_span(const Lion& op, const UpdateSpan& span, Range part) {
  const float* const control = op.control.data<float>();
  const float learning_rate = control[kDecisions];
  const Vector scale = broadcast(control[kFactor]);
  const Vector rate = broadcast(learning_rate);
  const Vector beta1 = broadcast(op.beta1);
  const Vector beta2 = broadcast(op.beta2);
  const Vector rest1 = broadcast(1 - op.beta1);
  const Vector rest2 = broadcast(1 - op.beta2);
  const Vector keep = broadcast(1 - learning_rate * span.weight_decay);
  const auto update = [&](const UpdateBlock& block) HWY_ATTR {
    float* const w = block.master;
    float* const m = block.states[0];
    const float* const gradient = block.gradient;
    for_each_vector(0, block.count, [&](std::int64_t i, auto vector) HWY_ATTR {
      const Vector g = hn::Mul(vector.load(gradient + i), scale);
      const Vector old_m = vector.load(m + i);
      const Vector direction =
          sign_of(hn::MulAdd(beta1, old_m, hn::Mul(rest1, g)));
      const Vector new_w =
          hn::NegMulAdd(rate, direction, hn::Mul(keep, vector.load(w + i)));
      vector.store(hn::MulAdd(beta2, old_m, hn::Mul(rest2, g)), m + i);
      vector.store(new_w, w + i);
    });
  };
  for_each_block(op.control, span, kLionUse, part, update);
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(lion_span);

void run(OnCpu, Stream& stream, const Lion& op) {
  parallel_update(stream, op, [&](const UpdateSpan& span, Range part) {
    HWY_DYNAMIC_DISPATCH(lion_span)(op, span, part);
  });
}

}  // namespace dure::kernels
#endif
