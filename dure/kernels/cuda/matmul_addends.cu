#include "dure/kernels/cuda/any_floats.cuh"
#include "dure/kernels/cuda/flat.cuh"
#include "dure/kernels/cuda/matmul_addends.h"

namespace dure::kernels {
namespace {

// A matrix in device code. An absent one is zero everywhere.
struct Matrix {
  AnyFloats elements;
  std::int64_t step;

  __device__ float load(std::int64_t row, std::int64_t column) const {
    return elements.data == nullptr ? 0.0F
                                    : elements.load_one(row * step + column);
  }
};

Matrix matrix_of(const MatrixBlock& block, std::int64_t step) {
  Matrix matrix = {.elements = {}, .step = step};
  matrix.elements.data = block.first;
  matrix.elements.dtype = block.dtype;
  return matrix;
}

struct SumArguments {
  Matrix y;
  Matrix sums;
  Matrix bias;
  Matrix residual;
  std::int64_t columns;
  std::int64_t count;
};

__global__ void sum_kernel(SumArguments at) {
  const std::int64_t i = flat_index();
  if (i >= at.count) {
    return;
  }
  const std::int64_t row = i / at.columns;
  const std::int64_t column = i % at.columns;
  const float sum = at.sums.load(row, column) + at.bias.load(row, column) +
                    at.residual.load(row, column);
  at.y.elements.store_one(row * at.y.step + column, sum);
}

}  // namespace

void write_sum(Stream& stream, const AddendSum& sum) {
  const std::int64_t count = sum.y.rows * sum.y.columns;
  launch_kernel<sum_kernel>(
      stream,
      flat_shape(count),
      SumArguments{.y = matrix_of(sum.y, sum.y.step),
                   .sums = matrix_of(sum.sums, sum.sums.step),
                   .bias = matrix_of(sum.bias, 0),
                   .residual = matrix_of(sum.residual, sum.residual.step),
                   .columns = sum.y.columns,
                   .count = count});
}

}  // namespace dure::kernels
