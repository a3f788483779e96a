#include "dure/kernels/update.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/update.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/exact_sum-inl.h"
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
  float* const w = span.weight.data<float>();
  float* const m = span.momentum.data<float>();
  float* const v = span.variance.data<float>();
  const float* const gradient = span.gradient.data<float>();
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
  float* const w = span.weight.data<float>();
  float* const m = op.momentum != 0 ? span.momentum.data<float>() : nullptr;
  const float* const gradient = span.gradient.data<float>();
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

// A sum of squares is made of groups of 16 elements:
//
//   p[j] = x[j]^2 + x[j + 8]^2                 j < 8
//   ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]))
//
// A square has 48 bits, so that a fused product and addition is the same.
inline constexpr std::int64_t kGroup = SquaredNorm::kGroup;

// x[j]^2 + x[j + 8]^2 for as many j as there are lanes.
HWY_INLINE WideVector sums_of_two_squares(const float* x) {
  const Wide wide;
  const hn::Rebind<float, Wide> narrow;
  const WideVector a = hn::PromoteTo(wide, hn::LoadU(narrow, x));
  const WideVector b = hn::PromoteTo(wide, hn::LoadU(narrow, x + kGroup / 2));
  return hn::MulAdd(a, a, hn::Mul(b, b));
}

// a[0] + a[1], a[2] + a[3], ..., b[0] + b[1], ...
HWY_INLINE WideVector sums_of_pairs(WideVector a, WideVector b) {
#if HWY_TARGET == HWY_SCALAR  // which has no ConcatEven
  return hn::Add(a, b);
#else
  const Wide wide;
  return hn::Add(hn::ConcatEven(wide, b, a), hn::ConcatOdd(wide, b, a));
#endif
}

// The sums of kWideLanes groups, one a lane.
HWY_INLINE WideVector sums_of_groups(const float* x) {
  static_assert(kGroup / 2 % kWideLanes == 0);
  constexpr std::int64_t kHalf = kGroup / 2;
  const auto pairs = [&](std::int64_t r) HWY_ATTR {
    const std::int64_t place = r * kWideLanes;
    return sums_of_two_squares(x + place / kHalf * kGroup + place % kHalf);
  };
  const auto fours = [&](std::int64_t r) HWY_ATTR {
    return sums_of_pairs(pairs(2 * r), pairs(2 * r + 1));
  };
  return sums_of_pairs(sums_of_pairs(fours(0), fours(1)),
                       sums_of_pairs(fours(2), fours(3)));
}

// The sums of the groups of at most kMostTerms kGroup elements; how many it
// writes. Zeros fill up the last groups.
HWY_INLINE std::int64_t group_sums(const float* x,
                                   std::int64_t count,
                                   double* sums) {
  constexpr std::int64_t kAtOnce = kWideLanes * kGroup;
  std::int64_t i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce) {
    hn::Store(sums_of_groups(x + i), Wide(), sums + i / kGroup);
  }
  if (i < count) {
    HWY_ALIGN float rest[kAtOnce] = {};
    std::copy(x + i, x + count, rest);
    hn::Store(sums_of_groups(rest), Wide(), sums + i / kGroup);
    i += kAtOnce;
  }
  return i / kGroup;
}

void add_squares(const float* x, std::int64_t count, ExactSum& sum) {
  constexpr std::int64_t kBlock = kMostTerms * kGroup;
  HWY_ALIGN double sums[kMostTerms];
  for (std::int64_t i = 0; i < count; i += kBlock) {
    const std::int64_t in_block = std::min(kBlock, count - i);
    add_terms(sums, group_sums(x + i, in_block, sums), sum);
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(adamw_span);
HWY_EXPORT(sgd_span);
HWY_EXPORT(add_squares);

// All spans as one range, cut evenly over the threads: however sizes differ,
// every thread gets as much. Calls body(s, part) for every part of a span s;
// what size_of(span) and the part count is the items of `split`.
template <typename Spans, typename Size, typename Body>
void parallel_parts(Stream& stream,
                    const Spans& spans,
                    const Size& size_of,
                    Split split,
                    const Body& body) {
  std::int64_t total = 0;
  for (const auto& span : spans) {
    total += size_of(span);
  }
  parallel_ranges(
      stream, total, split, [&](std::int64_t first, std::int64_t last) {
        std::int64_t start = 0;
        for (std::size_t s = 0; s < spans.size(); ++s) {
          const std::int64_t end = start + size_of(spans[s]);
          const Range part = {std::max(first, start) - start,
                              std::min(last, end) - start};
          if (part.first < part.last) {
            body(s, part);
          }
          start = end;
        }
      });
}

template <typename Op, typename Update>
void parallel_spans(Stream& stream, const Op& op, const Update& update) {
  parallel_parts(
      stream,
      op.spans,
      [](const auto& span) { return span.gradient.elements(); },
      kFlat,
      [&](std::size_t s, Range part) {
        update(op.spans[s], part.first, part.last);
      });
}

}  // namespace

void run(OnCpu, Stream& stream, const AdamW& op) {
  parallel_spans(
      stream,
      op,
      [&](const AdamWSpan& span, std::int64_t first, std::int64_t last) {
        HWY_DYNAMIC_DISPATCH(adamw_span)(op, span, first, last);
      });
}

void run(OnCpu, Stream& stream, const Sgd& op) {
  parallel_spans(
      stream,
      op,
      [&](const SgdSpan& span, std::int64_t first, std::int64_t last) {
        HWY_DYNAMIC_DISPATCH(sgd_span)(op, span, first, last);
      });
}

void run(OnCpu, Stream& stream, const SquaredNorm& op) {
  constexpr std::int64_t kGroup = SquaredNorm::kGroup;
  std::fill(op.sums.begin(), op.sums.end(), ExactSum());
  std::mutex merging;
  parallel_parts(
      stream,
      op.spans,
      [](const ConstTensor& span) {
        return (span.elements() + kGroup - 1) / kGroup;
      },
      {.elements_per_item = kGroup},
      [&](std::size_t s, Range groups) {
        const ConstTensor& span = op.spans[s];
        const std::int64_t first = groups.first * kGroup;
        const std::int64_t last =
            std::min(groups.last * kGroup, span.elements());
        ExactSum sum;
        HWY_DYNAMIC_DISPATCH(add_squares)
        (span.data<float>() + first, last - first, sum);
        const std::scoped_lock lock(merging);
        op.sums[s].add(sum);
      });
}

}  // namespace dure::kernels
#endif
