#include "dure/kernels/update.h"

#include <cmath>
#include <numeric>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/update.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// Elements [first, last) of one span. With 1 / (1 - beta^t) folded into the
// rate and the root:
//
//   w -= rate m / (sqrt(v) root + epsilon) + learning_rate decay w
void adamw_span(const AdamW& op,
                const AdamWSpan& span,
                std::int64_t first,
                std::int64_t last) {
  const auto t = static_cast<double>(op.step);
  const double rate =
      op.learning_rate / (1 - std::pow(static_cast<double>(op.beta1), t));
  const double root =
      1 / std::sqrt(1 - std::pow(static_cast<double>(op.beta2), t));
  const Vector rate_v = broadcast(static_cast<float>(rate));
  const Vector root_v = broadcast(static_cast<float>(root));
  const Vector scale = broadcast(op.grad_scale);
  const Vector beta1 = broadcast(op.beta1);
  const Vector beta2 = broadcast(op.beta2);
  const Vector rest1 = broadcast(1 - op.beta1);
  const Vector rest2 = broadcast(1 - op.beta2);
  const Vector epsilon = broadcast(op.epsilon);
  const Vector keep = broadcast(1 - op.learning_rate * span.weight_decay);
  float* const w = span.weight.data();
  float* const m = span.momentum.data();
  float* const v = span.variance.data();
  const float* const gradient = span.gradient.data();
  for_each_vector(first, last, [&](std::int64_t i, auto part) HWY_ATTR {
    const Vector g = hn::Mul(part.load(gradient + i), scale);
    const Vector new_m = hn::MulAdd(beta1, part.load(m + i), hn::Mul(rest1, g));
    const Vector new_v =
        hn::MulAdd(beta2, part.load(v + i), hn::Mul(rest2, hn::Mul(g, g)));
    const Vector divisor = hn::MulAdd(hn::Sqrt(new_v), root_v, epsilon);
    const Vector change = hn::Div(hn::Mul(rate_v, new_m), divisor);
    part.store(new_m, m + i);
    part.store(new_v, v + i);
    part.store(hn::MulSub(keep, part.load(w + i), change), w + i);
  });
}

void sgd_span(const Sgd& op,
              const SgdSpan& span,
              std::int64_t first,
              std::int64_t last) {
  const Vector rate = broadcast(op.learning_rate);
  const Vector scale = broadcast(op.grad_scale);
  const Vector momentum = broadcast(op.momentum);
  const Vector keep = broadcast(1 - op.learning_rate * span.weight_decay);
  float* const w = span.weight.data();
  float* const m = op.momentum != 0 ? span.momentum.data() : nullptr;
  const float* const gradient = span.gradient.data();
  for_each_vector(first, last, [&](std::int64_t i, auto part) HWY_ATTR {
    Vector step = hn::Mul(part.load(gradient + i), scale);
    if (m != nullptr) {
      step = hn::MulAdd(momentum, part.load(m + i), step);
      part.store(step, m + i);
    }
    part.store(hn::NegMulAdd(rate, step, hn::Mul(keep, part.load(w + i))),
               w + i);
  });
}

// In f64: 124 million squares in f32 would lose the small ones.
double sum_of_squares(const float* x, std::int64_t count) {
  const hn::Rebind<double, hn::Half<Floats>> wide;
  const hn::Rebind<float, decltype(wide)> narrow;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(wide));
  auto sum = hn::Zero(wide);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto value = hn::PromoteTo(wide, hn::LoadU(narrow, x + i));
    sum = hn::MulAdd(value, value, sum);
  }
  double total = hn::GetLane(hn::SumOfLanes(wide, sum));
  for (; i < count; ++i) {
    total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return total;
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(adamw_span);
HWY_EXPORT(sgd_span);
HWY_EXPORT(sum_of_squares);

// All spans as one range of elements, cut evenly over the threads: however
// sizes differ, every thread gets as much.
template <typename Op, typename Update>
void parallel_spans(const Op& op, const Update& update) {
  std::int64_t total = 0;
  for (const auto& span : op.spans) {
    total += span.gradient.elements();
  }
  parallel_ranges(total, kFlat, [&](std::int64_t first, std::int64_t last) {
    std::int64_t start = 0;
    for (const auto& span : op.spans) {
      const std::int64_t end = start + span.gradient.elements();
      const std::int64_t from = std::max(first, start);
      const std::int64_t to = std::min(last, end);
      if (from < to) {
        update(span, from - start, to - start);
      }
      start = end;
    }
  });
}

// What one thread adds up at once. The cut is fixed, so that the order of the
// sum is too.
constexpr std::int64_t kChunk = 1 << 16;

}  // namespace

void run(OnCpu, Stream&, const AdamW& op) {
  parallel_spans(
      op, [&](const AdamWSpan& span, std::int64_t first, std::int64_t last) {
        HWY_DYNAMIC_DISPATCH(adamw_span)(op, span, first, last);
      });
}

void run(OnCpu, Stream&, const Sgd& op) {
  parallel_spans(
      op, [&](const SgdSpan& span, std::int64_t first, std::int64_t last) {
        HWY_DYNAMIC_DISPATCH(sgd_span)(op, span, first, last);
      });
}

void run(OnCpu, Stream&, const SquaredNorm& op) {
  for (std::size_t s = 0; s < op.spans.size(); ++s) {
    const float* const x = op.spans[s].data();
    const std::int64_t count = op.spans[s].elements();
    const std::int64_t chunks = (count + kChunk - 1) / kChunk;
    double sum = 0;
    // Rounds of as many chunks as fit on the stack, added up in their order.
    constexpr std::int64_t kRound = 256;
    for (std::int64_t round = 0; round < chunks; round += kRound) {
      double sums[kRound] = {};
      const std::int64_t in_round = std::min(kRound, chunks - round);
      parallel_ranges(in_round,
                      {.elements_per_item = kChunk},
                      [&](std::int64_t first, std::int64_t last) {
                        for (std::int64_t c = first; c < last; ++c) {
                          const std::int64_t start = (round + c) * kChunk;
                          sums[c] = HWY_DYNAMIC_DISPATCH(sum_of_squares)(
                              x + start, std::min(kChunk, count - start));
                        }
                      });
      sum = std::accumulate(sums, sums + in_round, sum);
    }
    op.sums[s] = sum;
  }
}

}  // namespace dure::kernels
#endif
