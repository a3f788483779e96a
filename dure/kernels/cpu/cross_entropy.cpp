#include "dure/kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/cross_entropy.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

inline constexpr float kLog2E = std::numbers::log2e_v<float>;
inline constexpr float kLowest = -std::numeric_limits<float>::infinity();

// How many of a rank's columns belong to the vocabulary.
template <typename Op>
std::int64_t real_columns(const Op& op) {
  return std::clamp(
      op.vocabulary - op.first_column, std::int64_t{0}, op.logits.shape()[1]);
}

HWY_INLINE float largest(const float* x, std::int64_t V) {
  const Vector lowest = broadcast(kLowest);
  Vector most = lowest;
  for_each_vector(0, V, [&](std::int64_t v, auto part) HWY_ATTR {
    most = hn::Max(most, part.load_or(x + v, lowest));
  });
  return hn::GetLane(hn::MaxOfLanes(Floats(), most));
}

// exp(x - shift)
HWY_INLINE Vector exponential(Vector x, Vector shift) {
  return exp2(hn::Mul(hn::Sub(x, shift), broadcast(kLog2E)));
}

// The sum of exp(x[v] - shift), in f64 over blocks, so that a row of 50,000 has
// no more roundings than one of 1024.
HWY_INLINE double sum_of_exponentials(const float* x,
                                      std::int64_t V,
                                      float shift) {
  constexpr std::int64_t kBlock = 1024;
  const Vector shifts = broadcast(shift);
  double total = 0;
  for (std::int64_t block = 0; block < V; block += kBlock) {
    Vector sum = hn::Zero(Floats());
    const std::int64_t end = std::min(V, block + kBlock);
    for_each_vector(block, end, [&](std::int64_t v, auto part) HWY_ATTR {
      sum = hn::Add(sum, part.only(exponential(part.load(x + v), shifts)));
    });
    total += static_cast<double>(sum_of_lanes(sum));
  }
  return total;
}

void statistics_of_row(const LogitStatistics& op, std::int64_t n) {
  const std::int64_t V = real_columns(op);
  const float* const x = op.logits.data<float>() + n * op.logits.shape()[1];
  const std::int32_t target = op.targets.data<std::int32_t>()[n];
  float* const maximum = op.maximum.data<float>() + n;
  double* const sum = op.sums.data<double>() + n;
  double* const at_target = sum + op.maximum.elements();
  *maximum = 0;
  *sum = 0;
  *at_target = 0;
  if (target == kIgnore) {
    return;
  }
  *maximum = largest(x, V);
  // If all are -inf, their exponentials must be 0, not those of -inf + inf.
  *sum = sum_of_exponentials(x, V, *maximum == kLowest ? 0 : *maximum);
  const std::int64_t column = target - op.first_column;
  if (column >= 0 && column < V) {
    *at_target = x[column];
  }
}

void statistics_of_rows(const LogitStatistics& op,
                        std::int64_t first,
                        std::int64_t last) {
  for (std::int64_t n = first; n < last; ++n) {
    statistics_of_row(op, n);
  }
}

// x[v] = exp(x[v] - shift) by.
HWY_INLINE void scaled_exponentials(float* x,
                                    std::int64_t V,
                                    float shift,
                                    float by) {
  const Vector shifts = broadcast(shift);
  const Vector factor = broadcast(by);
  for_each_vector(0, V, [&](std::int64_t v, auto part) HWY_ATTR {
    part.store(hn::Mul(exponential(part.load(x + v), shifts), factor), x + v);
  });
}

void gradient_of_row(const CrossEntropyGradient& op, std::int64_t n) {
  const std::int64_t columns = op.logits.shape()[1];
  float* const x = op.logits.data<float>() + n * columns;
  const std::int32_t target = op.targets.data<std::int32_t>()[n];
  if (target == kIgnore) {
    std::fill(x, x + columns, 0.0F);
    return;
  }
  const std::int64_t V = real_columns(op);
  const double sum = op.sums.data<double>()[n];
  const float weight = op.weights ? op.weights.data<float>()[n] : 1;
  const float d_loss = op.d_loss.data<float>()[0] * weight;
  scaled_exponentials(
      x, V, op.maximum.data<float>()[n], static_cast<float>(d_loss / sum));
  const std::int64_t column = target - op.first_column;
  if (column >= 0 && column < V) {
    x[column] -= d_loss;
  }
  std::fill(x + V, x + columns, 0.0F);
}

void gradient_of_rows(const CrossEntropyGradient& op,
                      std::int64_t first,
                      std::int64_t last) {
  for (std::int64_t n = first; n < last; ++n) {
    gradient_of_row(op, n);
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(statistics_of_rows);
HWY_EXPORT(gradient_of_rows);

void check_targets(const LogitStatistics& op) {
  const std::int32_t* const target = op.targets.data<std::int32_t>();
  for (std::int64_t n = 0; n < op.targets.elements(); ++n) {
    DURE_CHECK(
        target[n] == kIgnore || (target[n] >= 0 && target[n] < op.vocabulary),
        "targets[{}] is {}, wanted 0 to {} or {} for none",
        n,
        target[n],
        op.vocabulary - 1,
        kIgnore);
  }
}

}  // namespace

void run(OnCpu, Stream& stream, const LogitStatistics& op) {
  check_targets(op);
  parallel_ranges(stream,
                  op.logits.shape()[0],
                  {.elements_per_item = op.logits.shape()[1]},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(statistics_of_rows)(op, first, last);
                  });
}

void run(OnCpu, Stream&, const RescaleSums& op) {
  double* const sum = op.sums.data<double>();
  for (std::int64_t n = 0; n < op.own.elements(); ++n) {
    sum[n] *= std::exp(static_cast<double>(op.own.data<float>()[n]) -
                       static_cast<double>(op.maximum.data<float>()[n]));
  }
}

void run(OnCpu, Stream&, const CrossEntropyLoss& op) {
  const std::int64_t N = op.loss.elements();
  const double* const sum = op.sums.data<double>();
  const double* const at_target = sum + N;
  for (std::int64_t n = 0; n < N; ++n) {
    const bool ignored = op.targets.data<std::int32_t>()[n] == kIgnore;
    const double most = op.maximum.data<float>()[n];
    const double weight = op.weights ? op.weights.data<float>()[n] : 1;
    const double loss = std::log(sum[n]) + (most - at_target[n]);
    op.loss.data<float>()[n] = ignored ? 0 : static_cast<float>(weight * loss);
  }
}

void run(OnCpu, Stream& stream, const CrossEntropyGradient& op) {
  parallel_ranges(stream,
                  op.logits.shape()[0],
                  {.elements_per_item = op.logits.shape()[1]},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(gradient_of_rows)(op, first, last);
                  });
}

}  // namespace dure::kernels
#endif
