#include "dure/nn/norm.h"

namespace dure::nn {

void Norm::forward(Context& ctx, Tensor y, ConstTensor x, Saved& saved) const {
  NormForward op = {.y = y,
                    .statistics = {},
                    .x = x,
                    .gain = gain_.value,
                    .bias = bias_ != nullptr ? bias_->value : Tensor(),
                    .epsilon = epsilon_};
  for (std::size_t s = 0; s < row_.statistics; ++s) {
    saved.statistics[s] = ctx.activation({x.shape()[0]}, DType::kF32);
    op.statistics[s] = saved.statistics[s];
  }
  row_.forward(ctx, op);
}

void Norm::backward(Context& ctx,
                    const Backward& op,
                    const Saved& saved) const {
  NormBackward all = {.d_x = op.d_x,
                      .d_gain = gain_.gradient,
                      .d_bias = {},
                      .d_y = op.d_y,
                      .x = op.x,
                      .gain = gain_.value,
                      .statistics = {},
                      .residual = op.residual,
                      .epsilon = epsilon_,
                      .write = gain_.take_write()};
  if (bias_ != nullptr) {
    bias_->take_write();  // always written together with the gain
    all.d_bias = bias_->gradient;
  }
  for (std::size_t s = 0; s < row_.statistics; ++s) {
    all.statistics[s] = saved.statistics[s];
  }
  row_.backward(ctx, all);
}

}  // namespace dure::nn
