#include "dure/kernels/adamw.h"

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/adamw.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/update_spans.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// Updates elements [first, last) of one span. With 1 / (1 - beta^t) folded into
// the rate and the root:
//
//   w -= rate m / (sqrt(v) root + epsilon) + learning_rate decay w
void adamw_span(const AdamW& op,
                const UpdateSpan& span,
                std::int64_t first,
                std::int64_t last) {
  const float* const control = op.control.data<float>();
  const Vector scale = broadcast(control[1]);
  const float learning_rate = control[2];
  const Vector rate = broadcast(control[3]);
  const Vector root = broadcast(control[4]);
  const Vector beta1 = broadcast(op.beta1);
  const Vector beta2 = broadcast(op.beta2);
  const Vector rest1 = broadcast(1 - op.beta1);
  const Vector rest2 = broadcast(1 - op.beta2);
  const Vector epsilon = broadcast(op.epsilon);
  const Vector keep = broadcast(1 - learning_rate * span.weight_decay);
  float* const w = span.master.data<float>();
  float* const weight = span.weight.data<float>();
  float* const m = span.states[0].data<float>();
  float* const v = span.states[1].data<float>();
  const float* const gradient = span.gradient.data<float>();
  for_each_vector(first, last, [&](std::int64_t i, auto part) HWY_ATTR {
    const Vector g = hn::Mul(part.load(gradient + i), scale);
    const Vector new_m = hn::MulAdd(beta1, part.load(m + i), hn::Mul(rest1, g));
    const Vector new_v =
        hn::MulAdd(beta2, part.load(v + i), hn::Mul(rest2, hn::Mul(g, g)));
    const Vector divisor = hn::MulAdd(hn::Sqrt(new_v), root, epsilon);
    const Vector change = hn::Div(hn::Mul(rate, new_m), divisor);
    const Vector new_w = hn::MulSub(keep, part.load(w + i), change);
    part.store(new_m, m + i);
    part.store(new_v, v + i);
    part.store(new_w, w + i);
    part.store(new_w, weight + i);
  });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(adamw_span);

void run(OnCpu, Stream& stream, const AdamW& op) {
  parallel_update(
      stream,
      op,
      [&](const UpdateSpan& span, std::int64_t first, std::int64_t last) {
        HWY_DYNAMIC_DISPATCH(adamw_span)(op, span, first, last);
      });
}

}  // namespace dure::kernels
#endif
