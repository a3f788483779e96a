#include <limits>

#include "dure/kernels/cross_entropy.h"
#include "dure/kernels/cuda/fault.cuh"
#include "dure/kernels/cuda/rows.cuh"

namespace dure::kernels {
namespace {

// How many of a rank's columns belong to the vocabulary.
template <typename Op>
std::int64_t real_columns(const Op& op) {
  return std::clamp(
      op.vocabulary - op.first_column, std::int64_t{0}, op.logits.shape()[1]);
}

struct SharedStatistics {
  WarpNumbers<float> maximum;
  WarpNumbers<double> sum;
};

struct StatisticsArguments {
  float* maximum;
  double* sum;
  double* at_target;
  const float* logits;
  const std::int32_t* targets;
  std::int64_t columns;
  std::int64_t V;  // real columns
  std::int64_t first_column;
  std::int64_t vocabulary;
  DeviceFault* fault;
  const char* name;
};

// The sum of exp(x[v] - shift), in f64: a thread's terms are too many for f32.
__global__ void statistics_kernel(StatisticsArguments at) {
  auto& shared = shared_memory<SharedStatistics>();
  const float lowest = -std::numeric_limits<float>::infinity();
  const std::int64_t n = blockIdx.x;
  const float* const x = at.logits + n * at.columns;
  const std::int32_t target = at.targets[n];
  const bool counts = target != kIgnore &&
                      is_below(at.fault, at.name, target, at.vocabulary, n);
  float largest = lowest;
  double sum = 0;
  if (counts) {
    for_my_columns(at.V, [&](std::int64_t v) {
      largest = x[v] > largest ? x[v] : largest;
    });
    largest = block_max(largest, lowest, shared.maximum);
    // If all are -inf, their exponentials must be 0, not those of -inf + inf.
    const float shift = largest == lowest ? 0.0F : largest;
    for_my_columns(at.V, [&](std::int64_t v) { sum += expf(x[v] - shift); });
    sum = block_sum(sum, shared.sum);
  }
  if (threadIdx.x == 0) {
    const std::int64_t column = target - at.first_column;
    at.maximum[n] = counts ? largest : 0.0F;
    at.sum[n] = sum;
    at.at_target[n] = counts && column >= 0 && column < at.V ? x[column] : 0.0F;
  }
}

__global__ void rescale_kernel(double* sum,
                               const float* own,
                               const float* maximum,
                               std::int64_t N) {
  if (const std::int64_t n = flat_index(); n < N) {
    sum[n] *=
        exp(static_cast<double>(own[n]) - static_cast<double>(maximum[n]));
  }
}

struct LossArguments {
  float* loss;
  const float* maximum;
  const double* sum;
  const std::int32_t* targets;
  const float* weights;
  std::int64_t N;
};

__global__ void loss_kernel(LossArguments at) {
  const std::int64_t n = flat_index();
  if (n >= at.N) {
    return;
  }
  const double weight = at.weights != nullptr ? at.weights[n] : 1.0F;
  const double loss = log(at.sum[n]) + (at.maximum[n] - at.sum[at.N + n]);
  at.loss[n] =
      at.targets[n] == kIgnore ? 0.0F : static_cast<float>(weight * loss);
}

struct GradientArguments {
  float* logits;
  const float* maximum;
  const double* sum;
  const std::int32_t* targets;
  const float* d_loss;
  const float* weights;
  std::int64_t columns;
  std::int64_t V;  // real columns
  std::int64_t first_column;
};

__global__ void gradient_kernel(GradientArguments at) {
  const std::int64_t n = blockIdx.x;
  float* const x = at.logits + n * at.columns;
  const std::int32_t target = at.targets[n];
  const bool counts = target != kIgnore;
  const float weight = at.weights != nullptr ? at.weights[n] : 1.0F;
  const float d_loss = at.d_loss[0] * weight;
  const auto factor = static_cast<float>(d_loss / at.sum[n]);
  const float maximum = at.maximum[n];
  const std::int64_t column = target - at.first_column;
  for_my_columns(at.columns, [&](std::int64_t v) {
    float gradient = counts && v < at.V ? expf(x[v] - maximum) * factor : 0.0F;
    if (counts && v == column && v < at.V) {
      gradient -= d_loss;
    }
    x[v] = gradient;
  });
}

template <typename Op>
const float* weights_of(const Op& op) {
  return op.weights ? op.weights.template data<float>() : nullptr;
}

}  // namespace

void run(OnCuda, Stream& stream, const LogitStatistics& op) {
  const std::int64_t N = op.logits.shape()[0];
  const std::int64_t columns = op.logits.shape()[1];
  launch_kernel<statistics_kernel>(
      stream,
      row_shape<SharedStatistics>(N, columns),
      StatisticsArguments{.maximum = op.maximum.data<float>(),
                          .sum = op.sums.data<double>(),
                          .at_target = op.sums.data<double>() + N,
                          .logits = op.logits.data<float>(),
                          .targets = op.targets.data<std::int32_t>(),
                          .columns = columns,
                          .V = real_columns(op),
                          .first_column = op.first_column,
                          .vocabulary = op.vocabulary,
                          .fault = fault_of(stream),
                          .name = "targets"});
}

void run(OnCuda, Stream& stream, const RescaleSums& op) {
  const std::int64_t N = op.own.elements();
  launch_kernel<rescale_kernel>(stream,
                                flat_shape(N),
                                op.sums.data<double>(),
                                op.own.data<float>(),
                                op.maximum.data<float>(),
                                N);
}

void run(OnCuda, Stream& stream, const CrossEntropyLoss& op) {
  const std::int64_t N = op.loss.elements();
  launch_kernel<loss_kernel>(
      stream,
      flat_shape(N),
      LossArguments{.loss = op.loss.data<float>(),
                    .maximum = op.maximum.data<float>(),
                    .sum = op.sums.data<double>(),
                    .targets = op.targets.data<std::int32_t>(),
                    .weights = weights_of(op),
                    .N = N});
}

void run(OnCuda, Stream& stream, const CrossEntropyGradient& op) {
  const std::int64_t N = op.logits.shape()[0];
  const std::int64_t columns = op.logits.shape()[1];
  launch_kernel<gradient_kernel>(
      stream,
      row_shape<WarpNumbers<float>>(N, columns),
      GradientArguments{.logits = op.logits.data<float>(),
                        .maximum = op.maximum.data<float>(),
                        .sum = op.sums.data<double>(),
                        .targets = op.targets.data<std::int32_t>(),
                        .d_loss = op.d_loss.data<float>(),
                        .weights = weights_of(op),
                        .columns = columns,
                        .V = real_columns(op),
                        .first_column = op.first_column});
}

}  // namespace dure::kernels
