#include "dure/kernels/cuda/columns.cuh"
#include "dure/kernels/matmul.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

template <typename Element, typename Sum>
__global__ void column_sum_kernel(
    Sum* y, const Element* x, std::int64_t N, std::int64_t C, Write write) {
  sum_columns<1>(
      N,
      C,
      [&](std::int64_t n, std::int64_t c, ColumnSums<1>& sums) {
        sums.of[0] += widened(x[n * C + c]);
      },
      [&](std::int64_t c, const ColumnSums<1>& sums) {
        store_sum(y + c, sums.of[0], write);
      });
}

}  // namespace

void run(OnCuda, Stream& stream, const ColumnSum& op) {
  const std::int64_t N = op.x.shape()[0];
  const std::int64_t C = op.x.shape()[1];
  if (C == 0) {
    return;
  }
  with_float_types(op.x.dtype(), op.y.dtype(), [&](auto e, auto s) {
    using Element = decltype(e);
    using Sum = decltype(s);
    launch_kernel<column_sum_kernel<Element, Sum>>(
        stream,
        column_shape(C, sizeof(SharedColumns<1>)),
        op.y.data<Sum>(),
        op.x.data<Element>(),
        N,
        C,
        op.write);
  });
}

}  // namespace dure::kernels
