#include "dure/kernels/dropout.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {

void check_mask(const DropoutMask& mask) {
  DURE_CHECK(mask.rate >= 0 && mask.rate < 1,
             "a dropout rate is at least 0 and below 1, not {:g}",
             mask.rate);
  if (mask.rate > 0) {
    mask.first_sample.expect("first_sample", {1}, DType::kI64);
  }
}

void check(const Dropout& op) {
  const DType x = float_type(op, op.x);
  const DType y = same_if_half(op, "y", op.y, x);
  op.y.expect("y", op.x.shape(), y);
  if (op.residual) {
    const DType half = is_half(x) ? x : y;
    op.residual.expect("residual",
                       op.x.shape(),
                       same_if_half(op, "residual", op.residual, half));
  }
  check_mask(op.mask);
}

// Counts a quarter of ten rounds of some ten operations, a comparison and a
// product.
Cost cost(const Dropout& op) {
  const auto elements = static_cast<double>(op.x.elements());
  const double drawing = op.mask.rate > 0 ? 27 : 0;
  return {.flops = (drawing + (op.residual ? 1 : 0)) * elements,
          .bytes = bytes_of(op.y, op.x, op.residual)};
}

}  // namespace dure::kernels
