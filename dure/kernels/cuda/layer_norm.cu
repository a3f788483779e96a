#include "dure/kernels/cuda/norm_gains.cuh"
#include "dure/kernels/cuda/rows.cuh"
#include "dure/kernels/layer_norm.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

template <typename Compute, typename Residual>
struct ForwardArguments {
  Compute* y;
  float* mean;
  float* rstd;
  const Residual* x;
  const Compute* gain;
  const Compute* bias;
  std::int64_t C;
  float eps;
};

template <typename Compute, typename Residual>
__global__ void forward_kernel(ForwardArguments<Compute, Residual> at) {
  auto& shared = shared_memory<WarpNumbers<float>>();
  const std::int64_t n = blockIdx.x;
  const Residual* const x = at.x + n * at.C;
  Compute* const y = at.y + n * at.C;
  const auto columns = static_cast<float>(at.C);
  float sum = 0;
  for_my_columns(at.C, [&](std::int64_t c) { sum += widened(x[c]); });
  const float mean = block_sum(sum, shared) / columns;
  float squares = 0;
  for_my_columns(at.C, [&](std::int64_t c) {
    const float centred = widened(x[c]) - mean;
    squares += centred * centred;
  });
  const float rstd = 1 / sqrtf(block_sum(squares, shared) / columns + at.eps);
  if (threadIdx.x == 0) {
    at.mean[n] = mean;
    at.rstd[n] = rstd;
  }
  for_my_columns(at.C, [&](std::int64_t c) {
    const float normal = (widened(x[c]) - mean) * rstd;
    const float shift = at.bias != nullptr ? widened(at.bias[c]) : 0.0F;
    y[c] = rounded<Compute>(__fmaf_rn(normal, widened(at.gain[c]), shift));
  });
}

template <typename Compute, typename Residual>
struct BackwardArguments {
  Residual* d_x;
  const Compute* d_y;
  const Residual* x;
  const Compute* gain;
  const float* mean;
  const float* rstd;
  const Residual* residual;
  std::int64_t N;
  std::int64_t C;

  __device__ float normal(std::int64_t n, std::int64_t c) const {
    return (widened(x[n * C + c]) - mean[n]) * rstd[n];
  }
};

template <typename Compute, typename Residual>
__global__ void d_x_kernel(BackwardArguments<Compute, Residual> at) {
  auto& shared = shared_memory<WarpNumbers<float>>();
  const std::int64_t n = blockIdx.x;
  const auto h_of = [&](std::int64_t c) {
    return widened(at.d_y[n * at.C + c]) * widened(at.gain[c]);
  };
  float sum_h = 0;
  float sum_h_x = 0;
  for_my_columns(at.C, [&](std::int64_t c) {
    const float h = h_of(c);
    sum_h += h;
    sum_h_x = __fmaf_rn(h, at.normal(n, c), sum_h_x);
  });
  const float scale = 1 / static_cast<float>(at.C);
  const float mean_h = block_sum(sum_h, shared) * scale;
  const float mean_h_x = block_sum(sum_h_x, shared) * scale;
  for_my_columns(at.C, [&](std::int64_t c) {
    const std::int64_t i = n * at.C + c;
    const float inner = __fmaf_rn(-at.normal(n, c), mean_h_x, h_of(c) - mean_h);
    const float around =
        at.residual != nullptr ? widened(at.residual[i]) : 0.0F;
    at.d_x[i] = rounded<Residual>(__fmaf_rn(inner, at.rstd[n], around));
  });
}

}  // namespace

void run(OnCuda, Stream& stream, const LayerNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const std::int64_t columns = C;
  const LaunchShape shape = row_shape<WarpNumbers<float>>(N, C);
  with_type_or_f32(
      op.y.dtype(), op.x.dtype(), [&](auto compute, auto residual) {
        using Compute = decltype(compute);
        using Residual = decltype(residual);
        launch_kernel<forward_kernel<Compute, Residual>>(
            stream,
            shape,
            ForwardArguments<Compute, Residual>{
                .y = op.y.data<Compute>(),
                .mean = op.mean.data<float>(),
                .rstd = op.rstd.data<float>(),
                .x = op.x.data<Residual>(),
                .gain = op.gain.data<Compute>(),
                .bias = op.bias ? op.bias.data<Compute>() : nullptr,
                .C = columns,
                .eps = op.eps});
      });
}

// Columns come first, because d_x may be d_y.
void run(OnCuda, Stream& stream, const LayerNormBackward& op) {
  with_type_or_f32(op.d_y.dtype(), op.x.dtype(), [&](auto c, auto r) {
    using Compute = decltype(c);
    using Residual = decltype(r);
    const BackwardArguments<Compute, Residual> at = {
        .d_x = op.d_x.data<Residual>(),
        .d_y = op.d_y.data<Compute>(),
        .x = op.x.data<Residual>(),
        .gain = op.gain.data<Compute>(),
        .mean = op.mean.data<float>(),
        .rstd = op.rstd.data<float>(),
        .residual = op.residual ? op.residual.data<Residual>() : nullptr,
        .N = op.x.shape()[0],
        .C = op.x.shape()[1]};
    launch_norm_gains(stream, op, at);
    launch_kernel<d_x_kernel<Compute, Residual>>(
        stream, row_shape<WarpNumbers<float>>(at.N, at.C), at);
  });
}

}  // namespace dure::kernels
