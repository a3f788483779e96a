#include "dure/kernels/scale_loss.h"

namespace dure::kernels {

void run(OnCpu, Stream& /*stream*/, const ScaleLoss& op) {
  *op.d_loss.data<float>() = op.weight * *op.loss_scale.data<float>();
}

}  // namespace dure::kernels
