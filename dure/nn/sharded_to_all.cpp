#include "dure/nn/sharded_to_all.h"

#include <utility>

#include "dure/kernels/matmul.h"
#include "dure/nn/weight_gradient_store.h"
#include "dure/parallel/tensor/regions.h"

namespace dure::nn {

using kernels::MatMul;
using kernels::Transpose;
using parallel::AllRows;
using parallel::PartialSum;
using parallel::RowRange;

void ShardedToAll::forward(Context& ctx, const Forward& op) const {
  const kernels::DropoutMask mask =
      dropout_.stream_mask(ctx, op.sequences, op.y.shape());
  if (mask.rate == 0) {
    sum_products(ctx, op.y, op.x, op.residual);
    return;
  }
  const OwnedTensor branch = ctx.workspace(op.y.shape(), op.x.dtype());
  sum_products(ctx, branch, op.x, {});
  launch(ctx.stream,
         kernels::Dropout{
             .y = op.y, .x = branch, .residual = op.residual, .mask = mask});
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

void ShardedToAll::backward(Context& ctx, const Backward& op) const {
  const kernels::DropoutMask mask =
      dropout_.stream_mask(ctx, op.sequences, op.d_y.shape());
  const DType dtype = weight_.value.dtype();
  if (mask.rate == 0 && ctx.deferred == nullptr && op.d_y.dtype() == dtype) {
    backward_products(ctx, op, {});
    return;
  }
  OwnedTensor branch = room_for_weights(ctx, op.d_y.shape(), dtype);
  launch(ctx.stream, kernels::Dropout{.y = branch, .x = op.d_y, .mask = mask});
  Backward of_branch = op;
  of_branch.d_y = branch;
  backward_products(ctx, of_branch, std::move(branch));
}

void ShardedToAll::backward_products(Context& ctx,
                                     const Backward& op,
                                     OwnedTensor branch) const {
  AllRows rows(ctx.tensor, op.d_y);
  rows.start();
  if (ctx.deferred == nullptr) {
    backward_bias(ctx, op.d_y);
  }
  launch(ctx.stream, MatMul{.y = op.d_x, .a = rows.get(), .b = weight_.value});
  if (ctx.deferred == nullptr) {
    backward_weight(ctx, rows.get(), op.x);
    return;
  }
  ctx.deferred->push({.stream = std::move(branch),
                      .columns = std::move(op.x),
                      .make = [this](Context& now, const Factors& factors) {
                        backward_bias(now, factors.stream);
                        backward_weight(now, factors.rows, factors.columns);
                      }});
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
