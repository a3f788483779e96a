#include "dure/nn/all_to_sharded.h"

#include <utility>

#include "dure/kernels/matmul.h"
#include "dure/nn/weight_gradient_store.h"
#include "dure/parallel/tensor/regions.h"

namespace dure::nn {

using kernels::MatMul;
using kernels::Transpose;
using parallel::AllRows;
using parallel::PartialSum;

void AllToSharded::forward(Context& ctx, Tensor y, ConstTensor x) const {
  AllRows rows(ctx.tensor, x);
  launch(ctx.stream,
         MatMul{.y = y,
                .a = rows.get(),
                .b = weight_.value,
                .bias = bias_ != nullptr ? bias_->value : Tensor(),
                .transpose_b = Transpose::kYes});
}

void AllToSharded::backward(Context& ctx, const Backward& op) const {
  AllRows x(ctx.tensor, op.x);
  if (ctx.deferred == nullptr) {
    x.start();
  }
  PartialSum sum(ctx.tensor, op.d_x);
  launch(ctx.stream,
         MatMul{.y = sum.summand(), .a = op.d_y, .b = weight_.value});
  sum.start();
  if (ctx.deferred == nullptr) {
    backward_parameters(ctx, op.d_y, x.get());
  } else {
    ctx.deferred->push({.stream = std::move(op.x),
                        .columns = std::move(op.d_y),
                        .make = [this](Context& now, const Factors& factors) {
                          backward_parameters(
                              now, factors.columns, factors.rows);
                        }});
  }
  sum.wait();
}

void AllToSharded::backward_parameters(Context& ctx,
                                       ConstTensor d_y,
                                       ConstTensor x) const {
  launch(ctx.stream,
         MatMul{.y = weight_.gradient,
                .a = d_y,
                .b = x,
                .transpose_a = Transpose::kYes,
                .write = weight_.take_write()});
  if (bias_ != nullptr) {
    launch(ctx.stream,
           kernels::ColumnSum{
               .y = bias_->gradient, .x = d_y, .write = bias_->take_write()});
  }
}

}  // namespace dure::nn
