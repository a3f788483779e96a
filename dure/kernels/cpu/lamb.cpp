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
#include "dure/kernels/cpu/update_block-inl.h"
#include "dure/kernels/cpu/update_spans.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The step of a weight before the ratio: one expression in both operations, so
// that they get the same bits.
struct LambDirection {
  LambDirection(ConstTensor control, float eps, float weight_decay)
      : rate(broadcast(control.data<float>()[kDecisions + 1])),
        root(broadcast(control.data<float>()[kDecisions + 2])),
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

inline constexpr SpanUse kMomentsUse = {.gradient = Use::kRead,
                                        .states = {Use::kUpdate, Use::kUpdate}};

void update_moments(const LambMeasure& op, const UpdateSpan& span, Range part) {
  const Vector scale = broadcast(op.control.data<float>()[kFactor]);
  const Vector beta1 = broadcast(op.beta1);
  const Vector beta2 = broadcast(op.beta2);
  const Vector rest1 = broadcast(1 - op.beta1);
  const Vector rest2 = broadcast(1 - op.beta2);
  const auto update = [&](const UpdateBlock& block) HWY_ATTR {
    float* const m = block.states[0];
    float* const v = block.states[1];
    const float* const gradient = block.gradient;
    for_each_vector(0, block.count, [&](std::int64_t i, auto vector) HWY_ATTR {
      const Vector g = hn::Mul(vector.load(gradient + i), scale);
      const Vector new_m =
          hn::MulAdd(beta1, vector.load(m + i), hn::Mul(rest1, g));
      const Vector new_v =
          hn::MulAdd(beta2, vector.load(v + i), hn::Mul(rest2, hn::Mul(g, g)));
      vector.store(new_m, m + i);
      vector.store(new_v, v + i);
    });
  };
  for_each_block(op.control, span, kMomentsUse, part, update);
}

inline constexpr SpanUse kDirectionUse = {.master = Use::kRead,
                                          .states = {Use::kRead, Use::kRead}};

// Writes the part's steps before the ratio.
void find_directions(const LambMeasure& op,
                     const UpdateSpan& span,
                     Range part,
                     float* steps) {
  const LambDirection direction(op.control, op.epsilon, span.weight_decay);
  const auto find = [&](const UpdateBlock& block) HWY_ATTR {
    const float* const w = block.master;
    const float* const m = block.states[0];
    const float* const v = block.states[1];
    float* const u = steps + (block.first - part.first);
    for_each_vector(0, block.count, [&](std::int64_t i, auto vector) HWY_ATTR {
      vector.store(
          direction(vector.load(w + i), vector.load(m + i), vector.load(v + i)),
          u + i);
    });
  };
  for_each_block(op.control, span, kDirectionUse, part, find);
}

// Measures a part of one span, which is whole groups from its start, except for
// its last ones. It reads the moments as they were stored, which are those that
// LambUpdate will read; few enough at once that they are still in the L1 cache.
void lamb_measure_span(const LambMeasure& op,
                       const UpdateSpan& span,
                       Range part,
                       ExactSum& weights,
                       ExactSum& moves) {
  constexpr std::int64_t kMeasured = 64 * kGroup;
  HWY_ALIGN float u[kMeasured];
  for (std::int64_t i = part.first; i < part.last; i += kMeasured) {
    const Range here = {i, std::min(i + kMeasured, part.last)};
    update_moments(op, span, here);
    find_directions(op, span, here, u);
    add_squares_of(span.master, here, weights);
    add_squares(u, here.count(), moves);
  }
}

inline constexpr SpanUse kLambUse = {.master = Use::kUpdate,
                                     .states = {Use::kRead, Use::kRead}};

// `rate` is the learning rate times the ratio.
void lamb_update_span(const LambUpdate& op,
                      const UpdateSpan& span,
                      float rate,
                      Range part) {
  const Vector rates = broadcast(rate);
  const LambDirection direction(op.control, op.epsilon, span.weight_decay);
  const auto update = [&](const UpdateBlock& block) HWY_ATTR {
    float* const w = block.master;
    const float* const m = block.states[0];
    const float* const v = block.states[1];
    for_each_vector(0, block.count, [&](std::int64_t i, auto vector) HWY_ATTR {
      const Vector old_w = vector.load(w + i);
      const Vector u = direction(old_w, vector.load(m + i), vector.load(v + i));
      vector.store(hn::NegMulAdd(rates, u, old_w), w + i);
    });
  };
  for_each_block(op.control, span, kLambUse, part, update);
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
  return static_cast<float>(op.control.data<float>()[kDecisions] * ratio);
}

}  // namespace

void run(OnCpu, Stream& stream, const LambMeasure& op) {
  if (op.control.data<float>()[kIsUpdated] == 0) {
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
  parallel_update(stream, op, [&](const UpdateSpan& span, Range part) {
    HWY_DYNAMIC_DISPATCH(lamb_update_span)
    (op, span, rate_of(op, span), part);
  });
}

}  // namespace dure::kernels
#endif
