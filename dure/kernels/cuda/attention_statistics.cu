#include "dure/kernels/cuda/attention_statistics.h"
#include "dure/kernels/cuda/flat.cuh"

namespace dure::kernels {
namespace {

// to of (count / (rows columns), columns, rows) has each matrix of `from`
// transposed.
__global__ void transpose_kernel(float* to,
                                 const float* from,
                                 std::int64_t rows,
                                 std::int64_t columns,
                                 std::int64_t count) {
  const std::int64_t i = flat_index();
  if (i >= count) {
    return;
  }
  const std::int64_t matrix = i / (rows * columns);
  const std::int64_t row = i % rows;
  const std::int64_t column = i / rows % columns;
  to[i] = from[(matrix * rows + row) * columns + column];
}

void transpose(Stream& stream,
               float* to,
               const float* from,
               std::int64_t rows,
               std::int64_t columns,
               std::int64_t matrices) {
  const std::int64_t count = matrices * rows * columns;
  launch_kernel<transpose_kernel>(
      stream, flat_shape(count), to, from, rows, columns, count);
}

}  // namespace

void statistics_by_query(Stream& stream,
                         float* to,
                         const float* from,
                         const StatisticsShape& shape) {
  transpose(stream, to, from, shape.heads, shape.queries, shape.samples);
}

void statistics_by_head(Stream& stream,
                        float* to,
                        const float* from,
                        const StatisticsShape& shape) {
  transpose(stream, to, from, shape.queries, shape.heads, shape.samples);
}

}  // namespace dure::kernels
