#include "dure/kernels/sgd.h"

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/sgd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/update_block-inl.h"
#include "dure/kernels/cpu/update_spans.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

void sgd_span(const Sgd& op, const UpdateSpan& span, Range part) {
  const float* const control = op.control.data<float>();
  const float learning_rate = control[kDecisions];
  const Vector scale = broadcast(control[kFactor]);
  const Vector rate = broadcast(learning_rate);
  const Vector momentum = broadcast(op.momentum);
  const Vector keep = broadcast(1 - learning_rate * span.weight_decay);
  const SpanUse use = {
      .master = Use::kUpdate,
      .gradient = Use::kRead,
      .states = {op.momentum != 0 ? Use::kUpdate : Use::kNone}};
  const auto update = [&](const UpdateBlock& block) HWY_ATTR {
    float* const w = block.master;
    float* const m = block.states[0];
    const float* const gradient = block.gradient;
    for_each_vector(0, block.count, [&](std::int64_t i, auto vector) HWY_ATTR {
      Vector step = hn::Mul(vector.load(gradient + i), scale);
      if (m != nullptr) {
        step = hn::MulAdd(momentum, vector.load(m + i), step);
        vector.store(step, m + i);
      }
      const Vector new_w =
          hn::NegMulAdd(rate, step, hn::Mul(keep, vector.load(w + i)));
      vector.store(new_w, w + i);
    });
  };
  for_each_block(op.control, span, use, part, update);
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(sgd_span);

void run(OnCpu, Stream& stream, const Sgd& op) {
  parallel_update(stream, op, [&](const UpdateSpan& span, Range part) {
    HWY_DYNAMIC_DISPATCH(sgd_span)(op, span, part);
  });
}

}  // namespace dure::kernels
#endif
