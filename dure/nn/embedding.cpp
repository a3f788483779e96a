#include "dure/nn/embedding.h"

#include "dure/kernels/elementwise.h"
#include "dure/parallel/tensor/regions.h"

namespace dure::nn {

using parallel::RowRange;

namespace {

// The rows of a table that a batch does not name keep their gradient, so the
// gradient must be 0 before a step's first write.
void begin_gradient(Context& ctx, Parameter& table) {
  if (table.take_write() == kernels::Write::kOverwrite) {
    launch(ctx.stream, kernels::Fill{.y = table.gradient, .value = 0});
  }
}

}  // namespace

kernels::TableRows Embedding::token_rows() const {
  const std::int64_t held = token_.value.shape()[0];
  return {.first = part_.index * held, .all = part_.count * held};
}

void Embedding::forward(Context& ctx,
                        Tensor y,
                        ConstTensor ids,
                        const Sequences& sequences) const {
  const ConstTensor positions = sequences.positions;
  parallel::PartialSum sum(ctx.tensor, y);
  const Tensor table = position_ != nullptr ? position_->value : Tensor();
  for_each_share(ctx.tensor, ids.elements(), [&](RowRange rows, bool is_mine) {
    launch(
        ctx.stream,
        kernels::Embedding{.y = sum.summand().rows(rows.first, rows.count),
                           .ids = ids.rows(rows.first, rows.count),
                           .token = token_.value,
                           .token_rows = token_rows(),
                           .positions = positions.rows(rows.first, rows.count),
                           .position = is_mine ? table : Tensor()});
  });
  sum.run();
  drop(ctx, y, sequences);
}

void Embedding::drop(Context& ctx, Tensor x, const Sequences& sequences) const {
  const kernels::DropoutMask mask =
      dropout_.stream_mask(ctx, sequences, x.shape());
  if (mask.rate > 0) {
    launch(ctx.stream, kernels::Dropout{.y = x, .x = x, .mask = mask});
  }
}

void Embedding::backward(Context& ctx,
                         Tensor d_y,
                         ConstTensor ids,
                         const Sequences& sequences) const {
  drop(ctx, d_y, sequences);
  parallel::AllRows all_d_y(ctx.tensor, d_y);
  all_d_y.start();
  add_to_position(ctx, d_y, sequences.positions);
  begin_gradient(ctx, token_);
  launch(ctx.stream,
         kernels::EmbeddingBackward{.d_table = token_.gradient,
                                    .d_y = all_d_y.get(),
                                    .indices = ids,
                                    .rows = token_rows()});
}

void Embedding::add_to_position(Context& ctx,
                                ConstTensor d_y,
                                ConstTensor positions) const {
  if (position_ == nullptr) {
    return;
  }
  begin_gradient(ctx, *position_);
  const RowRange own = ctx.tensor.own(positions.elements());
  launch(ctx.stream,
         kernels::EmbeddingBackward{
             .d_table = position_->gradient,
             .d_y = d_y,
             .indices = positions.rows(own.first, own.count),
             .rows = {.all = position_->value.shape()[0]}});
}

}  // namespace dure::nn
