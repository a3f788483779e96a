#include "dure/kernels/adamw.h"

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/adamw.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/update_block-inl.h"
#include "dure/kernels/cpu/update_spans.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

inline constexpr SpanUse kAdamWUse = {.master = Use::kUpdate,
                                      .gradient = Use::kRead,
                                      .states = {Use::kUpdate, Use::kUpdate}};

// Updates a part of one span. With 1 / (1 - beta^t) folded into the rate and
// the root:
//
//   w -= rate m / (sqrt(v) root + epsilon) + learning_rate decay w
void adamw_span(const AdamW& op, const UpdateSpan& span, Range part) {
  const float* const control = op.control.data<float>();
  const float* const rates = control + kDecisions;
  const Vector scale = broadcast(control[kFactor]);
  const Vector rate = broadcast(rates[1]);
  const Vector root = broadcast(rates[2]);
  const Vector beta1 = broadcast(op.beta1);
  const Vector beta2 = broadcast(op.beta2);
  const Vector rest1 = broadcast(1 - op.beta1);
  const Vector rest2 = broadcast(1 - op.beta2);
  const Vector epsilon = broadcast(op.epsilon);
  const Vector keep = broadcast(1 - rates[0] * span.weight_decay);
  const auto update = [&](const UpdateBlock& block) HWY_ATTR {
    float* const w = block.master;
    float* const m = block.states[0];
    float* const v = block.states[1];
    const float* const gradient = block.gradient;
    for_each_vector(0, block.count, [&](std::int64_t i, auto vector) HWY_ATTR {
      const Vector g = hn::Mul(vector.load(gradient + i), scale);
      const Vector new_m =
          hn::MulAdd(beta1, vector.load(m + i), hn::Mul(rest1, g));
      const Vector new_v =
          hn::MulAdd(beta2, vector.load(v + i), hn::Mul(rest2, hn::Mul(g, g)));
      const Vector divisor = hn::MulAdd(hn::Sqrt(new_v), root, epsilon);
      const Vector change = hn::Div(hn::Mul(rate, new_m), divisor);
      const Vector new_w = hn::MulSub(keep, vector.load(w + i), change);
      vector.store(new_m, m + i);
      vector.store(new_v, v + i);
      vector.store(new_w, w + i);
    });
  };
  for_each_block(op.control, span, kAdamWUse, part, update);
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(adamw_span);

void run(OnCpu, Stream& stream, const AdamW& op) {
  parallel_update(stream, op, [&](const UpdateSpan& span, Range part) {
    HWY_DYNAMIC_DISPATCH(adamw_span)(op, span, part);
  });
}

}  // namespace dure::kernels
#endif
