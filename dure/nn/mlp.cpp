#include "dure/nn/mlp.h"

#include "dure/kernels/activation.h"

namespace dure::nn {

void Mlp::forward(Context& ctx, const Forward& op, Saved& saved) const {
  save(ctx, op.x, saved);
  down_.forward(ctx,
                {.y = op.y,
                 .x = saved.active_NF,
                 .residual = op.residual,
                 .sequences = op.sequences});
}

void Mlp::save(Context& ctx, ConstTensor x, Saved& saved) const {
  const std::int64_t N = ctx.tensor.all_rows(x.shape()[0]);
  const std::int64_t up_columns =
      kind_ == MlpKind::kSwiglu ? 2 * ffn_hidden_ : ffn_hidden_;
  saved.up_NU = ctx.activation({N, up_columns}, x.dtype());
  up_.forward(ctx, saved.up_NU, x);
  remake_cheap(ctx, saved);
}

void Mlp::remake_cheap(Context& ctx, Saved& saved) const {
  saved.active_NF = ctx.activation({saved.up_NU.shape()[0], ffn_hidden_},
                                   saved.up_NU.dtype());
  if (kind_ == MlpKind::kSwiglu) {
    launch(ctx.stream,
           kernels::Swiglu{.y = saved.active_NF, .gate_up = saved.up_NU});
  } else {
    launch(ctx.stream, kernels::Gelu{.y = saved.active_NF, .x = saved.up_NU});
  }
}

void Mlp::backward(Context& ctx, const Backward& op, Saved& saved) const {
  const OwnedTensor d_active =
      ctx.workspace(saved.active_NF.shape(), saved.active_NF.dtype());
  down_.backward(ctx,
                 {.d_x = d_active,
                  .d_y = op.d_y,
                  .x = saved.active_NF,
                  .sequences = op.sequences});
  saved.active_NF = OwnedTensor();
  if (kind_ == MlpKind::kSwiglu) {  // in place of its input
    launch(
        ctx.stream,
        kernels::SwigluBackward{
            .d_gate_up = saved.up_NU, .d_y = d_active, .gate_up = saved.up_NU});
  } else {
    launch(ctx.stream,
           kernels::GeluBackward{
               .d_x = saved.up_NU, .d_y = d_active, .x = saved.up_NU});
  }
  up_.backward(ctx, {.d_x = op.d_x, .d_y = saved.up_NU, .x = op.x});
  saved.up_NU = OwnedTensor();
}

}  // namespace dure::nn
