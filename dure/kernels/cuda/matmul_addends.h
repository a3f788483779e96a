// Products need this besides cuBLASLt: sums that it does not add, and operands
// whose types it does not multiply.
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

// Some rows and columns of a matrix in memory.
struct MatrixBlock {
  std::byte* first = nullptr;
  DType dtype = DType::kF32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t step = 0;  // elements from a row to the next one

  MatrixBlock() = default;
  MatrixBlock(void* at, DType type, const Shape& shape)
      : first(static_cast<std::byte*>(at)),
        dtype(type),
        rows(shape[0]),
        columns(shape[1]),
        step(shape[1]) {}
  explicit MatrixBlock(const ConstTensor& x)
      : MatrixBlock(const_cast<void*>(x.bytes()), x.dtype(), x.shape()) {}

  // The block of `count` rows and `width` columns from there on.
  MatrixBlock at(std::int64_t row,
                 std::int64_t column,
                 std::int64_t count,
                 std::int64_t width) const {
    MatrixBlock block = *this;
    block.first +=
        (row * step + column) * static_cast<std::int64_t>(size_of(dtype));
    block.rows = count;
    block.columns = width;
    return block;
  }
};

// y = sums + bias + residual, in f32 and rounded once. Each of these may be
// absent, and residual may be y.
struct AddendSum {
  MatrixBlock y;
  MatrixBlock sums = {};
  MatrixBlock bias = {};  // of one row
  MatrixBlock residual = {};
};
void write_sum(Stream& stream, const AddendSum& sum);

}  // namespace dure::kernels
