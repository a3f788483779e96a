#include "dure/kernels/cuda/rows.cuh"
#include "dure/kernels/scale_norm.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

template <typename Compute, typename Residual>
struct ForwardArguments {
  Compute* y;
  float* inverse;
  const Residual* x;
  const Compute* gain;
  std::int64_t C;
  float eps;
};

template <typename Compute, typename Residual>
__global__ void forward_kernel(ForwardArguments<Compute, Residual> at) {
  auto& shared = shared_memory<WarpNumbers<float>>();
  const std::int64_t n = blockIdx.x;
  const Residual* const x = at.x + n * at.C;
  float squares = 0;
  for_my_columns(at.C, [&](std::int64_t c) {
    const float value = widened(x[c]);
    squares = __fmaf_rn(value, value, squares);
  });
  const float length = sqrtf(block_sum(squares, shared));
  const float inverse = 1 / (length > at.eps ? length : at.eps);
  if (threadIdx.x == 0) {
    at.inverse[n] = inverse;
  }
  const float scale = inverse * widened(at.gain[0]);
  for_my_columns(at.C, [&](std::int64_t c) {
    at.y[n * at.C + c] = rounded<Compute>(widened(x[c]) * scale);
  });
}

template <typename Compute, typename Residual>
struct BackwardArguments {
  Residual* d_x;
  float* row_sums;
  const Compute* d_y;
  const Residual* x;
  const Compute* gain;
  const float* inverse;
  const Residual* residual;
  std::int64_t C;
  float eps;
};

template <typename Compute, typename Residual>
__global__ void d_x_kernel(BackwardArguments<Compute, Residual> at) {
  auto& shared = shared_memory<WarpNumbers<float>>();
  const std::int64_t n = blockIdx.x;
  const Residual* const x = at.x + n * at.C;
  const Compute* const d_y = at.d_y + n * at.C;
  const float inverse = at.inverse[n];
  float products = 0;
  for_my_columns(at.C, [&](std::int64_t c) {
    products = __fmaf_rn(widened(d_y[c]), widened(x[c]), products);
  });
  const float sum = block_sum(products, shared) * inverse;
  if (threadIdx.x == 0) {
    at.row_sums[n] = sum;
  }
  const float scale = widened(at.gain[0]) * inverse;
  const float share = inverse < 1 / at.eps ? sum * inverse : 0;
  for_my_columns(at.C, [&](std::int64_t c) {
    const std::int64_t i = n * at.C + c;
    const float inner = __fmaf_rn(-widened(x[c]), share, widened(d_y[c]));
    const float around =
        at.residual != nullptr ? widened(at.residual[i]) : 0.0F;
    at.d_x[i] = rounded<Residual>(__fmaf_rn(inner, scale, around));
  });
}

// One block adds up the rows, in f64.
template <typename Sum>
__global__ void gain_kernel(Sum* d_gain,
                            const float* row_sums,
                            std::int64_t N,
                            Write write) {
  auto& shared = shared_memory<WarpNumbers<double>>();
  double sum = 0;
  for_my_columns(N, [&](std::int64_t n) { sum += row_sums[n]; });
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) {
    const double before = write == Write::kAdd ? widened(*d_gain) : 0.0F;
    *d_gain = rounded<Sum>(static_cast<float>(before + sum));
  }
}

}  // namespace

void run(OnCuda, Stream& stream, const ScaleNorm& op) {
  const std::int64_t N = op.x.shape()[0];
  const std::int64_t C = op.x.shape()[1];
  with_type_or_f32(op.y.dtype(), op.x.dtype(), [&](auto c, auto r) {
    using Compute = decltype(c);
    using Residual = decltype(r);
    launch_kernel<forward_kernel<Compute, Residual>>(
        stream,
        row_shape<WarpNumbers<float>>(N, C),
        ForwardArguments<Compute, Residual>{.y = op.y.data<Compute>(),
                                            .inverse = op.inverse.data<float>(),
                                            .x = op.x.data<Residual>(),
                                            .gain = op.gain.data<Compute>(),
                                            .C = C,
                                            .eps = op.eps});
  });
}

void run(OnCuda, Stream& stream, const ScaleNormBackward& op) {
  const std::int64_t N = op.x.shape()[0];
  const std::int64_t C = op.x.shape()[1];
  with_type_or_f32(op.d_y.dtype(), op.x.dtype(), [&](auto c, auto r) {
    using Compute = decltype(c);
    using Residual = decltype(r);
    launch_kernel<d_x_kernel<Compute, Residual>>(
        stream,
        row_shape<WarpNumbers<float>>(N, C),
        BackwardArguments<Compute, Residual>{
            .d_x = op.d_x.data<Residual>(),
            .row_sums = op.row_sums.data<float>(),
            .d_y = op.d_y.data<Compute>(),
            .x = op.x.data<Residual>(),
            .gain = op.gain.data<Compute>(),
            .inverse = op.inverse.data<float>(),
            .residual = op.residual ? op.residual.data<Residual>() : nullptr,
            .C = C,
            .eps = op.eps});
  });
  with_float_type(op.d_gain.dtype(), [&](auto s) {
    using Sum = decltype(s);
    launch_kernel<gain_kernel<Sum>>(
        stream,
        {.grid = 1, .block = 512, .shared_bytes = sizeof(WarpNumbers<double>)},
        op.d_gain.data<Sum>(),
        op.row_sums.data<float>(),
        N,
        op.write);
  });
}

}  // namespace dure::kernels
