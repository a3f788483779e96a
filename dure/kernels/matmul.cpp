#include "dure/kernels/matmul.h"

namespace dure::kernels {
namespace {

struct Sizes {
  std::int64_t M;
  std::int64_t N;
  std::int64_t K;
};

Sizes sizes_of(const MatMul& op) {
  const auto [a0, a1] = op.a.dims<2>("a");
  const auto [M, N] = op.y.dims<2>("y");
  return {M, N, op.transpose_a == Transpose::kYes ? a0 : a1};
}

}  // namespace

void check(const MatMul& op) {
  const auto [M, N, K] = sizes_of(op);
  op.y.expect("y", {M, N}, DType::kF32);
  if (op.transpose_a == Transpose::kYes) {
    op.a.expect("a (transposed)", {K, M}, DType::kF32);
  } else {
    op.a.expect("a", {M, K}, DType::kF32);
  }
  if (op.transpose_b == Transpose::kYes) {
    op.b.expect("b (transposed)", {N, K}, DType::kF32);
  } else {
    op.b.expect("b", {K, N}, DType::kF32);
  }
  if (op.bias) {
    op.bias.expect("bias", {N}, DType::kF32);
  }
  if (op.residual) {
    op.residual.expect("residual", {M, N}, DType::kF32);
  }
  DURE_CHECK(op.write == Write::kOverwrite || (!op.bias && !op.residual),
             "a matmul that adds to y takes no bias and no residual: add them "
             "in the product that overwrites y");
}

Cost cost(const MatMul& op) {
  const auto [M, N, K] = sizes_of(op);
  const auto products = static_cast<double>(M * N) * static_cast<double>(K);
  double elements = static_cast<double>(M * K + K * N + M * N);
  if (op.write == Write::kAdd || op.residual) {
    elements += static_cast<double>(M * N);
  }
  if (op.bias) {
    elements += static_cast<double>(N);
  }
  return {.flops = 2 * products, .bytes = sizeof(float) * elements};
}

void check(const ColumnSum& op) {
  const auto [N, C] = op.x.dims<2>("x");
  op.x.expect("x", {N, C}, DType::kF32);
  op.y.expect("y", {C}, DType::kF32);
}

Cost cost(const ColumnSum& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const auto elements = static_cast<double>(N * C);
  const double written =
      (op.write == Write::kAdd ? 2.0 : 1.0) * static_cast<double>(C);
  return {.flops = elements, .bytes = sizeof(float) * (elements + written)};
}

}  // namespace dure::kernels
