#include "dure/kernels/elementwise.h"

namespace dure::kernels {

void check(const Fill& op) {
  op.y.expect("y", op.y.shape(), DType::kF32);
}

Cost cost(const Fill& op) {
  return {.bytes = static_cast<double>(op.y.size_bytes())};
}

void check(const Copy& op) {
  op.y.expect("y", op.y.shape(), DType::kF32);
  op.x.expect("x", op.y.shape(), DType::kF32);
}

Cost cost(const Copy& op) {
  return {.bytes = 2 * static_cast<double>(op.y.size_bytes())};
}

void check(const Add& op) {
  op.y.expect("y", op.y.shape(), DType::kF32);
  op.a.expect("a", op.y.shape(), DType::kF32);
  op.b.expect("b", op.y.shape(), DType::kF32);
}

Cost cost(const Add& op) {
  const auto elements = static_cast<double>(op.y.elements());
  return {.flops = elements, .bytes = 3 * sizeof(float) * elements};
}

void check(const FillNormal& op) {
  const auto [N, C] = op.y.dims<2>("y");
  op.y.expect("y", {N, C}, DType::kF32);
  DURE_CHECK(op.first_row >= 0 && op.first_column >= 0 &&
                 op.first_column + C <= op.columns,
             "columns ",
             op.first_column,
             " to ",
             op.first_column + C,
             " are not of a matrix with ",
             op.columns);
}

// Ten rounds of some ten operations for four words, and a root, a logarithm
// and a sine or cosine.
Cost cost(const FillNormal& op) {
  const auto elements = static_cast<double>(op.y.elements());
  return {.flops = 60 * elements, .bytes = sizeof(float) * elements};
}

}  // namespace dure::kernels
