#include "dure/nn/sharded_to_all.h"

#include <utility>

#include "dure/kernels/matmul.h"
#include "dure/nn/weight_queue.h"
#include "dure/parallel/tensor/regions.h"

namespace dure::nn {

using kernels::MatMul;
using kernels::Transpose;
using parallel::AllRows;
using parallel::PartialSum;
using parallel::RowRange;

void ShardedToAll::forward(Context& ctx,
                           Tensor y,
                           ConstTensor x,
                           ConstTensor residual,
                           std::int64_t samples,
                           Saved& saved) const {
  save(ctx, y.shape(), x, samples, saved);
  if (saved.mask.rate == 0) {
    sum_products(ctx, y, x, residual);
    return;
  }
  const OwnedTensor branch = ctx.workspace(y.shape(), DType::kF32);
  sum_products(ctx, branch, x, {});
  launch(ctx.stream,
         kernels::Dropout{
             .y = y, .x = branch, .residual = residual, .mask = saved.mask});
}

void ShardedToAll::save(Context& ctx,
                        const Shape& y,
                        ConstTensor x,
                        std::int64_t samples,
                        Saved& saved) const {
  saved.x = x;
  saved.mask = dropout_.stream_mask(ctx, y, samples);
}

// y = residual + sum over ranks of x weight^T + bias
void ShardedToAll::sum_products(Context& ctx,
                                Tensor y,
                                ConstTensor x,
                                ConstTensor residual) const {
  PartialSum sum(ctx.tensor, y);
  const auto multiply = [&](RowRange rows, bool mine) {
    launch(ctx.stream,
           MatMul{.y = sum.summand().rows(rows.first, rows.count),
                  .a = x.rows(rows.first, rows.count),
                  .b = weight_.value,
                  .bias = mine && bias_ != nullptr ? bias_->value : Tensor(),
                  .residual = mine ? residual : ConstTensor(),
                  .transpose_b = Transpose::kYes});
  };
  for_each_share(ctx.tensor, x.shape()[0], multiply);
  sum.run();
}

void ShardedToAll::backward(Context& ctx,
                            Tensor d_x,
                            ConstTensor d_y,
                            const Saved& saved) const {
  if (saved.mask.rate == 0 && ctx.deferred == nullptr) {
    backward_sum(ctx, d_x, d_y, saved);
    return;
  }
  OwnedTensor d_branch = room_for_weights(ctx, d_y.shape());
  launch(ctx.stream,
         kernels::Dropout{.y = d_branch, .x = d_y, .mask = saved.mask});
  backward_sum(ctx, d_x, d_branch, saved);
  release(ctx, std::move(d_branch));
}

void ShardedToAll::backward_sum(Context& ctx,
                                Tensor d_x,
                                ConstTensor d_y,
                                const Saved& saved) const {
  AllRows rows(ctx.tensor, d_y);
  rows.start();
  now_or_later(ctx, [this, d_y](Context& now) { backward_bias(now, d_y); });
  launch(ctx.stream, MatMul{.y = d_x, .a = rows.get(), .b = weight_.value});
  if (ctx.deferred != nullptr) {
    rows.drop();
  }
  now_or_later(ctx,
               std::move(rows),
               [this, x = saved.x](Context& now, ConstTensor d_rows) {
                 backward_weight(now, d_rows, x);
               });
}

void ShardedToAll::backward_bias(Context& ctx, ConstTensor d_y) const {
  if (bias_ != nullptr) {
    launch(ctx.stream,
           kernels::ColumnSum{
               .y = bias_->gradient, .x = d_y, .write = bias_->take_write()});
  }
}

void ShardedToAll::backward_weight(Context& ctx,
                                   ConstTensor d_rows,
                                   ConstTensor x) const {
  launch(ctx.stream,
         MatMul{.y = weight_.gradient,
                .a = d_rows,
                .b = x,
                .transpose_a = Transpose::kYes,
                .write = weight_.take_write()});
}

}  // namespace dure::nn
