#include "dure/nn/embedding.h"

#include "dure/kernels/elementwise.h"
#include "dure/kernels/embedding.h"

namespace dure::nn {
namespace {

// The rows of a table that a batch does not name keep their gradient, so the
// first of a step must be 0.
void begin_gradient(Context& ctx, Parameter& table) {
  if (table.take_write() == kernels::Write::kOverwrite) {
    launch(ctx.stream, kernels::Fill{.y = table.gradient, .value = 0});
  }
}

}  // namespace

void Embedding::forward(Context& ctx,
                        Tensor y,
                        ConstTensor ids,
                        ConstTensor positions,
                        std::int64_t samples,
                        Saved& saved) const {
  saved.ids = ids;
  saved.positions = positions;
  saved.mask = dropout_.mask(ctx, y.elements() / samples);
  launch(ctx.stream,
         kernels::Embedding{
             .y = y,
             .ids = ids,
             .token = token_.value,
             .positions = positions,
             .position = position_ != nullptr ? position_->value : Tensor()});
  if (saved.mask.rate > 0) {
    launch(ctx.stream, kernels::Dropout{.y = y, .x = y, .mask = saved.mask});
  }
}

void Embedding::backward(Context& ctx, Tensor d_y, const Saved& saved) const {
  if (saved.mask.rate > 0) {
    launch(ctx.stream,
           kernels::Dropout{.y = d_y, .x = d_y, .mask = saved.mask});
  }
  begin_gradient(ctx, token_);
  if (position_ != nullptr) {
    begin_gradient(ctx, *position_);
  }
  launch(
      ctx.stream,
      kernels::EmbeddingBackward{
          .d_token = token_.gradient,
          .d_position = position_ != nullptr ? position_->gradient : Tensor(),
          .d_y = d_y,
          .ids = saved.ids,
          .positions = saved.positions});
}

}  // namespace dure::nn
