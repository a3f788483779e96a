#include "dure/kernels/dropout.h"

namespace dure::kernels {

void check(const Dropout& op) {
  op.x.expect("x", op.x.shape(), DType::kF32);
  op.y.expect("y", op.x.shape(), DType::kF32);
  if (op.residual) {
    op.residual.expect("residual", op.x.shape(), DType::kF32);
  }
  DURE_CHECK(op.mask.rate >= 0 && op.mask.rate < 1,
             "a dropout rate is at least 0 and below 1, not ",
             op.mask.rate);
}

// A quarter of ten rounds of some ten operations, a comparison and a product.
Cost cost(const Dropout& op) {
  const auto elements = static_cast<double>(op.x.elements());
  const double streams = op.residual ? 3 : 2;
  const double drawing = op.mask.rate > 0 ? 27 : 0;
  return {.flops = (drawing + (op.residual ? 1 : 0)) * elements,
          .bytes = streams * sizeof(float) * elements};
}

}  // namespace dure::kernels
