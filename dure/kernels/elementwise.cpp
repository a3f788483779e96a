#include "dure/kernels/elementwise.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const Fill& op) {
  op.y.expect("y", op.y.shape(), float_type(op, op.y));
}

Cost cost(const Fill& op) {
  return {.bytes = bytes_of(op.y)};
}

void check(const Copy& op) {
  const bool casts = op.x.dtype() != op.y.dtype();
  op.x.expect("x", op.y.shape(), casts ? float_type(op, op.x) : op.y.dtype());
  op.y.expect("y", op.y.shape(), casts ? float_type(op, op.y) : op.y.dtype());
}

Cost cost(const Copy& op) {
  return {.bytes = bytes_of(op.y, op.x)};
}

void check(const Add& op) {
  const DType dtype = float_type(op, op.y);
  op.y.expect("y", op.y.shape(), dtype);
  op.a.expect("a", op.y.shape(), dtype);
  op.b.expect("b", op.y.shape(), same_if_half(op, "b", op.b, dtype));
}

Cost cost(const Add& op) {
  return {.flops = static_cast<double>(op.y.elements()),
          .bytes = bytes_of(op.y, op.a, op.b)};
}

void check(const FillNormal& op) {
  const auto [N, C] = op.y.dims<2>("y");
  op.y.expect("y", {N, C}, float_type(op, op.y));
  DURE_CHECK(op.first_row >= 0 && op.first_column >= 0 &&
                 op.first_column + C <= op.columns,
             "columns {} to {} are not of a matrix with {}",
             op.first_column,
             op.first_column + C,
             op.columns);
}

// Counts ten rounds of some ten operations for four words, and a root, a
// logarithm and a sine or cosine.
Cost cost(const FillNormal& op) {
  return {.flops = 60 * static_cast<double>(op.y.elements()),
          .bytes = bytes_of(op.y)};
}

}  // namespace dure::kernels
