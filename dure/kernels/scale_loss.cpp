#include "dure/kernels/scale_loss.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const ScaleLoss& op) {
  op.d_loss.expect("d_loss", {1}, DType::kF32);
  op.loss_scale.expect("loss_scale", {1}, DType::kF32);
}

Cost cost(const ScaleLoss& op) {
  return {.flops = 1, .bytes = bytes_of(op.d_loss, op.loss_scale)};
}

}  // namespace dure::kernels
