#include "dure/nn/residual_dropout.h"

namespace dure::nn {

kernels::DropoutMask Dropout::mask(const Context& ctx,
                                   std::int64_t elements_per_sample) const {
  return {.stream = stream_,
          .major = 0,
          .first_index = ctx.first_sample *
                         static_cast<std::uint64_t>(elements_per_sample),
          .rate = ctx.phase == Phase::kTrain ? rate_ : 0};
}

void ResidualLinear::forward(Context& ctx,
                             Tensor y,
                             ConstTensor x,
                             ConstTensor residual,
                             std::int64_t samples,
                             Saved& saved) const {
  saved.mask = dropout_.mask(ctx, y.elements() / samples);
  if (saved.mask.rate == 0) {
    linear_.forward(ctx, y, x, saved.linear, residual);
    return;
  }
  const OwnedTensor branch = ctx.workspace(y.shape());
  linear_.forward(ctx, branch, x, saved.linear);
  launch(ctx.stream,
         kernels::Dropout{
             .y = y, .x = branch, .residual = residual, .mask = saved.mask});
}

void ResidualLinear::backward(Context& ctx,
                              Tensor d_x,
                              ConstTensor d_y,
                              const Saved& saved) const {
  if (saved.mask.rate == 0) {
    linear_.backward(ctx, d_x, d_y, saved.linear);
    return;
  }
  const OwnedTensor d_branch = ctx.workspace(d_y.shape());
  launch(ctx.stream,
         kernels::Dropout{.y = d_branch, .x = d_y, .mask = saved.mask});
  linear_.backward(ctx, d_x, d_branch, saved.linear);
}

}  // namespace dure::nn
