#include "dure/kernels/sgd.h"

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/sgd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/update_spans.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

void sgd_span(const Sgd& op,
              const UpdateSpan& span,
              std::int64_t first,
              std::int64_t last) {
  const float* const control = op.control.data<float>();
  const Vector scale = broadcast(control[1]);
  const Vector rate = broadcast(control[2]);
  const Vector momentum = broadcast(op.momentum);
  const Vector keep = broadcast(1 - control[2] * span.weight_decay);
  float* const w = span.master.data<float>();
  float* const weight = span.weight.data<float>();
  float* const m = op.momentum != 0 ? span.states[0].data<float>() : nullptr;
  const float* const gradient = span.gradient.data<float>();
  for_each_vector(first, last, [&](std::int64_t i, auto part) HWY_ATTR {
    Vector step = hn::Mul(part.load(gradient + i), scale);
    if (m != nullptr) {
      step = hn::MulAdd(momentum, part.load(m + i), step);
      part.store(step, m + i);
    }
    const Vector new_w =
        hn::NegMulAdd(rate, step, hn::Mul(keep, part.load(w + i)));
    part.store(new_w, w + i);
    part.store(new_w, weight + i);
  });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(sgd_span);

void run(OnCpu, Stream& stream, const Sgd& op) {
  parallel_update(
      stream,
      op,
      [&](const UpdateSpan& span, std::int64_t first, std::int64_t last) {
        HWY_DYNAMIC_DISPATCH(sgd_span)(op, span, first, last);
      });
}

}  // namespace dure::kernels
#endif
