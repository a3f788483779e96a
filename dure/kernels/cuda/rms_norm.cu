#include "dure/kernels/cuda/norm_gains.cuh"
#include "dure/kernels/cuda/rows.cuh"
#include "dure/kernels/rms_norm.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

template <typename Compute, typename Residual>
struct ForwardArguments {
  Compute* y;
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
  float squares = 0;
  for_my_columns(at.C, [&](std::int64_t c) {
    const float value = widened(x[c]);
    squares = __fmaf_rn(value, value, squares);
  });
  const float mean = block_sum(squares, shared) / static_cast<float>(at.C);
  const float rstd = 1 / sqrtf(mean + at.eps);
  if (threadIdx.x == 0) {
    at.rstd[n] = rstd;
  }
  for_my_columns(at.C, [&](std::int64_t c) {
    const float normal = widened(x[c]) * rstd;
    const float gain = widened(at.gain[c]);
    y[c] = rounded<Compute>(at.bias != nullptr
                                ? __fmaf_rn(normal, gain, widened(at.bias[c]))
                                : normal * gain);
  });
}

template <typename Compute, typename Residual>
struct BackwardArguments {
  Residual* d_x;
  const Compute* d_y;
  const Residual* x;
  const Compute* gain;
  const float* rstd;
  const Residual* residual;
  std::int64_t N;
  std::int64_t C;

  __device__ float normal(std::int64_t n, std::int64_t c) const {
    return widened(x[n * C + c]) * rstd[n];
  }
};

// d_x = rstd (h - x rstd^2 mean(h x)), h = d_y gain
template <typename Compute, typename Residual>
__global__ void d_x_kernel(BackwardArguments<Compute, Residual> at) {
  auto& shared = shared_memory<WarpNumbers<float>>();
  const std::int64_t n = blockIdx.x;
  const Residual* const x = at.x + n * at.C;
  const auto h_of = [&](std::int64_t c) {
    return widened(at.d_y[n * at.C + c]) * widened(at.gain[c]);
  };
  float projection = 0;
  for_my_columns(at.C, [&](std::int64_t c) {
    projection = __fmaf_rn(h_of(c), widened(x[c]), projection);
  });
  const float rstd = at.rstd[n];
  const float share =
      block_sum(projection, shared) / static_cast<float>(at.C) * rstd * rstd;
  for_my_columns(at.C, [&](std::int64_t c) {
    const std::int64_t i = n * at.C + c;
    const float inner = __fmaf_rn(-widened(x[c]), share, h_of(c));
    const float around =
        at.residual != nullptr ? widened(at.residual[i]) : 0.0F;
    at.d_x[i] = rounded<Residual>(__fmaf_rn(inner, rstd, around));
  });
}

}  // namespace

void run(OnCuda, Stream& stream, const RmsNorm& op) {
  const std::int64_t N = op.x.shape()[0];
  const std::int64_t C = op.x.shape()[1];
  with_type_or_f32(op.y.dtype(), op.x.dtype(), [&](auto c, auto r) {
    using Compute = decltype(c);
    using Residual = decltype(r);
    launch_kernel<forward_kernel<Compute, Residual>>(
        stream,
        row_shape<WarpNumbers<float>>(N, C),
        ForwardArguments<Compute, Residual>{
            .y = op.y.data<Compute>(),
            .rstd = op.rstd.data<float>(),
            .x = op.x.data<Residual>(),
            .gain = op.gain.data<Compute>(),
            .bias = op.bias ? op.bias.data<Compute>() : nullptr,
            .C = C,
            .eps = op.eps});
  });
}

// Columns come first, because d_x may be d_y.
void run(OnCuda, Stream& stream, const RmsNormBackward& op) {
  with_type_or_f32(op.d_y.dtype(), op.x.dtype(), [&](auto c, auto r) {
    using Compute = decltype(c);
    using Residual = decltype(r);
    const BackwardArguments<Compute, Residual> at = {
        .d_x = op.d_x.data<Residual>(),
        .d_y = op.d_y.data<Compute>(),
        .x = op.x.data<Residual>(),
        .gain = op.gain.data<Compute>(),
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
