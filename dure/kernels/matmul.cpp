#include "dure/kernels/matmul.h"

#include "dure/kernels/operands.h"

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

// Operands may differ in type, but not mix the two of 16 bits.
void check_types(const MatMul& op) {
  struct Operand {
    const char* name;
    ConstTensor tensor;
  };
  const Operand* half = nullptr;
  const Operand operands[] = {{"y", op.y},
                              {"a", op.a},
                              {"b", op.b},
                              {"bias", op.bias},
                              {"residual", op.residual}};
  for (const Operand& operand : operands) {
    const DType dtype = float_type(op, operand.tensor);
    if (is_half(dtype)) {
      half = half == nullptr ? &operand : half;
      DURE_CHECK(half->tensor.dtype() == dtype,
                 "{} is {}, but {} is {}: the 16-bit operands of a matmul have "
                 "one type",
                 half->name,
                 name_of(half->tensor.dtype()),
                 operand.name,
                 name_of(dtype));
    }
  }
}

}  // namespace

void check(const MatMul& op) {
  const auto [M, N, K] = sizes_of(op);
  check_types(op);
  op.y.expect("y", {M, N}, op.y.dtype());
  if (op.transpose_a == Transpose::kYes) {
    op.a.expect("a (transposed)", {K, M}, op.a.dtype());
  } else {
    op.a.expect("a", {M, K}, op.a.dtype());
  }
  if (op.transpose_b == Transpose::kYes) {
    op.b.expect("b (transposed)", {N, K}, op.b.dtype());
  } else {
    op.b.expect("b", {K, N}, op.b.dtype());
  }
  if (op.bias) {
    op.bias.expect("bias", {N}, op.bias.dtype());
  }
  if (op.residual) {
    op.residual.expect("residual", {M, N}, op.residual.dtype());
  }
  DURE_CHECK(op.write == Write::kOverwrite || (!op.bias && !op.residual),
             "a matmul that adds to y takes no bias and no residual: add them "
             "in the product that overwrites y");
}

Cost cost(const MatMul& op) {
  const auto [M, N, K] = sizes_of(op);
  const auto products = static_cast<double>(M * N) * static_cast<double>(K);
  const double visits = op.write == Write::kAdd ? 2 : 1;
  return {.flops = 2 * products,
          .bytes = bytes_of(op.a, op.b, op.bias, op.residual) +
                   visits * bytes_of(op.y)};
}

void check(const ColumnSum& op) {
  const auto [N, C] = op.x.dims<2>("x");
  op.x.expect("x", {N, C}, float_type(op, op.x));
  op.y.expect("y", {C}, same_if_half(op, "y", op.y, op.x.dtype()));
}

Cost cost(const ColumnSum& op) {
  const double visits = op.write == Write::kAdd ? 2 : 1;
  return {.flops = static_cast<double>(op.x.elements()),
          .bytes = bytes_of(op.x) + visits * bytes_of(op.y)};
}

}  // namespace dure::kernels
