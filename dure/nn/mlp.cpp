#include "dure/nn/mlp.h"

#include <utility>

#include "dure/kernels/activation.h"
#include "dure/nn/weight_queue.h"

namespace dure::nn {

void Mlp::forward(Context& ctx,
                  Tensor y,
                  ConstTensor x,
                  ConstTensor residual,
                  std::int64_t samples,
                  Saved& saved) const {
  expand(ctx, x, saved);
  down_.forward(ctx, y, saved.active_NF, residual, samples, saved.down);
}

void Mlp::save(Context& ctx,
               ConstTensor x,
               std::int64_t samples,
               Saved& saved) const {
  expand(ctx, x, saved);
  down_.save(ctx, x.shape(), saved.active_NF, samples, saved.down);
}

void Mlp::expand(Context& ctx, ConstTensor x, Saved& saved) const {
  const std::int64_t N = ctx.tensor.all_rows(x.shape()[0]);
  const std::int64_t up_columns =
      kind_ == MlpKind::kSwiglu ? 2 * ffn_hidden_ : ffn_hidden_;
  saved.up_NU = ctx.activation({N, up_columns}, DType::kF32);
  up_.forward(ctx, saved.up_NU, x, saved.up);
  activate(ctx, saved);
}

void Mlp::remake_cheap(Context& ctx, ConstTensor x, Saved& saved) const {
  saved.up.x = x;
  activate(ctx, saved);
  saved.down.x = saved.active_NF;
}

void Mlp::activate(Context& ctx, Saved& saved) const {
  saved.active_NF =
      ctx.activation({saved.up_NU.shape()[0], ffn_hidden_}, DType::kF32);
  if (kind_ == MlpKind::kSwiglu) {
    launch(ctx.stream,
           kernels::Swiglu{.y = saved.active_NF, .gate_up = saved.up_NU});
  } else {
    launch(ctx.stream, kernels::Gelu{.y = saved.active_NF, .x = saved.up_NU});
  }
}

void Mlp::backward(Context& ctx,
                   Tensor d_x,
                   ConstTensor d_y,
                   Saved& saved) const {
  const OwnedTensor d_active =
      ctx.workspace(saved.active_NF.shape(), DType::kF32);
  down_.backward(ctx, d_active, d_y, saved.down);
  release(ctx, std::move(saved.active_NF));
  if (kind_ == MlpKind::kSwiglu) {  // in the place of what it is made from
    launch(
        ctx.stream,
        kernels::SwigluBackward{
            .d_gate_up = saved.up_NU, .d_y = d_active, .gate_up = saved.up_NU});
  } else {
    launch(ctx.stream,
           kernels::GeluBackward{
               .d_x = saved.up_NU, .d_y = d_active, .x = saved.up_NU});
  }
  up_.backward(ctx, d_x, saved.up_NU, saved.up);
  release(ctx, std::move(saved.up_NU));
}

}  // namespace dure::nn
