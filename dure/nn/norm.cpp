#include "dure/nn/norm.h"

#include "dure/kernels/layer_norm.h"
#include "dure/kernels/rms_norm.h"

namespace dure::nn {

void Norm::forward(Context& ctx, Tensor y, ConstTensor x, Saved& saved) const {
  const std::int64_t N = x.shape()[0];
  saved.rstd = ctx.activation({N}, DType::kF32);
  if (bias_ == nullptr) {
    launch(ctx.stream,
           kernels::RmsNorm{.y = y,
                            .rstd = saved.rstd,
                            .x = x,
                            .gain = gain_.value,
                            .eps = epsilon_});
    return;
  }
  saved.mean = ctx.activation({N}, DType::kF32);
  launch(ctx.stream,
         kernels::LayerNorm{.y = y,
                            .mean = saved.mean,
                            .rstd = saved.rstd,
                            .x = x,
                            .gain = gain_.value,
                            .bias = bias_->value,
                            .eps = epsilon_});
}

void Norm::backward(Context& ctx,
                    const Backward& op,
                    const Saved& saved) const {
  const kernels::Write write = gain_.take_write();
  if (bias_ == nullptr) {
    launch(ctx.stream,
           kernels::RmsNormBackward{.d_x = op.d_x,
                                    .d_gain = gain_.gradient,
                                    .d_y = op.d_y,
                                    .x = op.x,
                                    .gain = gain_.value,
                                    .rstd = saved.rstd,
                                    .residual = op.residual,
                                    .write = write});
    return;
  }
  bias_->take_write();  // always written together with the gain
  launch(ctx.stream,
         kernels::LayerNormBackward{.d_x = op.d_x,
                                    .d_gain = gain_.gradient,
                                    .d_bias = bias_->gradient,
                                    .d_y = op.d_y,
                                    .x = op.x,
                                    .gain = gain_.value,
                                    .mean = saved.mean,
                                    .rstd = saved.rstd,
                                    .residual = op.residual,
                                    .write = write});
}

}  // namespace dure::nn
