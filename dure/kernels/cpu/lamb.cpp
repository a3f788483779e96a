#include "dure/kernels/lamb.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <vector>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/lamb.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/squares-inl.h"
#include "dure/kernels/cpu/sum_digits.h"
#include "dure/kernels/cpu/update_spans.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The step of a weight before the ratio: one expression in both operations, so
// that they get the same bits.
struct LambDirection {
  LambDirection(ConstTensor control, float eps, float weight_decay)
      : rate(broadcast(control.data<float>()[3])),
        root(broadcast(control.data<float>()[4])),
        epsilon(broadcast(eps)),
        decay(broadcast(weight_decay)) {}

  HWY_INLINE Vector operator()(Vector w, Vector m, Vector v) const {
    const Vector divisor = hn::MulAdd(hn::Sqrt(v), root, epsilon);
    return hn::MulAdd(decay, w, hn::Div(hn::Mul(rate, m), divisor));
  }

  Vector rate;
  Vector root;
  Vector epsilon;
  Vector decay;
};

// Measures elements [first, last) of one span, which are whole groups from its
// start, except for its last ones.
void lamb_measure_span(const LambMeasure& op,
                       const UpdateSpan& span,
                       Range part,
                       ExactSum& weights,
                       ExactSum& moves) {
  constexpr std::int64_t kBlock = 128 * kGroup;
  HWY_ALIGN float u[kBlock];
  const Vector scale = broadcast(op.control.data<float>()[1]);
  const Vector beta1 = broadcast(op.beta1);
  const Vector beta2 = broadcast(op.beta2);
  const Vector rest1 = broadcast(1 - op.beta1);
  const Vector rest2 = broadcast(1 - op.beta2);
  const LambDirection direction(op.control, op.epsilon, span.weight_decay);
  const float* const w = span.master.data<float>();
  float* const m = span.states[0].data<float>();
  float* const v = span.states[1].data<float>();
  const float* const gradient = span.gradient.data<float>();
  for (std::int64_t block = part.first; block < part.last; block += kBlock) {
    const std::int64_t end = std::min(block + kBlock, part.last);
    for_each_vector(block, end, [&](std::int64_t i, auto vector) HWY_ATTR {
      const Vector g = hn::Mul(vector.load(gradient + i), scale);
      const Vector new_m =
          hn::MulAdd(beta1, vector.load(m + i), hn::Mul(rest1, g));
      const Vector new_v =
          hn::MulAdd(beta2, vector.load(v + i), hn::Mul(rest2, hn::Mul(g, g)));
      vector.store(new_m, m + i);
      vector.store(new_v, v + i);
      vector.store(direction(vector.load(w + i), new_m, new_v),
                   u + (i - block));
    });
    add_squares(w + block, end - block, weights);
    add_squares(u, end - block, moves);
  }
}

// `rate` is the learning rate times the ratio.
void lamb_update_span(const LambUpdate& op,
                      const UpdateSpan& span,
                      float rate,
                      Range part) {
  const Vector rates = broadcast(rate);
  const LambDirection direction(op.control, op.epsilon, span.weight_decay);
  float* const w = span.master.data<float>();
  float* const weight = span.weight.data<float>();
  const float* const m = span.states[0].data<float>();
  const float* const v = span.states[1].data<float>();
  for_each_vector(
      part.first, part.last, [&](std::int64_t i, auto vector) HWY_ATTR {
        const Vector old_w = vector.load(w + i);
        const Vector u =
            direction(old_w, vector.load(m + i), vector.load(v + i));
        const Vector new_w = hn::NegMulAdd(rates, u, old_w);
        vector.store(new_w, w + i);
        vector.store(new_w, weight + i);
      });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(lamb_measure_span);
HWY_EXPORT(lamb_update_span);

constexpr double kLeastNorm = 0;  // the bounds of phi
constexpr double kMostNorm = 10;

Tensor sum_row(Tensor sums, std::int64_t weight, std::int64_t kind) {
  return sums.rows(weight, 1)
      .reshaped({kLambSums, kSumDigits})
      .rows(kind, 1)
      .reshaped({kSumDigits});
}

double norm_in(ConstTensor sums, std::int64_t weight, std::int64_t kind) {
  return std::sqrt(
      sum_of(
          sums.rows(weight, 1).reshaped({kLambSums, kSumDigits}).rows(kind, 1))
          .value());
}

float rate_of(const LambUpdate& op, const UpdateSpan& span) {
  const double weight = norm_in(op.sums, span.row, 0);
  const double move = norm_in(op.sums, span.row, 1);
  const double ratio = weight > 0 && move > 0
                           ? std::clamp(weight, kLeastNorm, kMostNorm) / move
                           : 1;
  return static_cast<float>(op.control.data<float>()[2] * ratio);
}

}  // namespace

void run(OnCpu, Stream& stream, const LambMeasure& op) {
  if (op.control.data<float>()[0] == 0) {
    return;
  }
  constexpr std::int64_t kGroup = SquaredNorm::kGroup;
  std::mutex adding;
  parallel_parts(
      stream,
      op.spans,
      [](const UpdateSpan& span) {
        return (span.gradient.elements() + kGroup - 1) / kGroup;
      },
      {.elements_per_item = kGroup},
      [&](std::size_t s, Range groups) {
        const UpdateSpan& span = op.spans[s];
        const Range part = {
            groups.first * kGroup,
            std::min(groups.last * kGroup, span.gradient.elements())};
        ExactSum weights;
        ExactSum moves;
        HWY_DYNAMIC_DISPATCH(lamb_measure_span)(op, span, part, weights, moves);
        if (span.counted == CountedBy::kThisRank) {
          const std::scoped_lock lock(adding);
          add_to(sum_row(op.sums, span.row, 0), weights);
          add_to(sum_row(op.sums, span.row, 1), moves);
        }
      });
}

void run(OnCpu, Stream& stream, const LambUpdate& op) {
  parallel_update(
      stream,
      op,
      [&](const UpdateSpan& span, std::int64_t first, std::int64_t last) {
        HWY_DYNAMIC_DISPATCH(lamb_update_span)
        (op, span, rate_of(op, span), {first, last});
      });
}

}  // namespace dure::kernels
#endif
