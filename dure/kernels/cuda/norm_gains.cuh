// Gradients of a norm's gain and bias, each a sum over the rows of a column.
#pragma once

#include "dure/kernels/cuda/columns.cuh"
#include "dure/tensor/element_type.h"

namespace dure::kernels {

// `at` has d_y, N and C, and normal(n, c), what the gain multiplies.
template <typename Arguments, typename Sum>
__global__ void norm_gains_kernel(Arguments at,
                                  Sum* d_gain,
                                  Sum* d_bias,
                                  Write write) {
  sum_columns<2>(
      at.N,
      at.C,
      [&](std::int64_t n, std::int64_t c, ColumnSums<2>& sums) {
        const float d_y = widened(at.d_y[n * at.C + c]);
        sums.of[0] = __fmaf_rn(d_y, at.normal(n, c), sums.of[0]);
        sums.of[1] += d_y;
      },
      [&](std::int64_t c, const ColumnSums<2>& sums) {
        store_sum(d_gain + c, sums.of[0], write);
        if (d_bias != nullptr) {
          store_sum(d_bias + c, sums.of[1], write);
        }
      });
}

// For the backward of a norm.
template <typename Op, typename Arguments>
void launch_norm_gains(Stream& stream, const Op& op, const Arguments& at) {
  with_float_type(op.d_gain.dtype(), [&](auto element) {
    using Sum = decltype(element);
    launch_kernel<norm_gains_kernel<Arguments, Sum>>(
        stream,
        column_shape(at.C, sizeof(SharedColumns<2>)),
        at,
        op.d_gain.template data<Sum>(),
        op.d_bias ? op.d_bias.template data<Sum>() : nullptr,
        op.write);
  });
}

}  // namespace dure::kernels
