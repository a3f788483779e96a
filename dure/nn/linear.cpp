#include "dure/nn/linear.h"

#include "dure/kernels/matmul.h"

namespace dure::nn {

using kernels::MatMul;
using kernels::Transpose;

void Linear::forward(Context& ctx,
                     Tensor y,
                     ConstTensor x,
                     Saved& saved,
                     ConstTensor residual) const {
  saved.x = x;
  launch(ctx.stream,
         MatMul{.y = y,
                .a = x,
                .b = weight_.value,
                .bias = bias_ != nullptr ? bias_->value : Tensor(),
                .residual = residual,
                .transpose_b = Transpose::kYes});
}

void Linear::backward_input(Context& ctx, Tensor d_x, ConstTensor d_y) const {
  launch(ctx.stream, MatMul{.y = d_x, .a = d_y, .b = weight_.value});
}

void Linear::backward_parameters(Context& ctx,
                                 ConstTensor d_y,
                                 const Saved& saved) const {
  launch(ctx.stream,
         MatMul{.y = weight_.gradient,
                .a = d_y,
                .b = saved.x,
                .transpose_a = Transpose::kYes,
                .write = weight_.take_write()});
  if (bias_ != nullptr) {
    launch(ctx.stream,
           kernels::ColumnSum{
               .y = bias_->gradient, .x = d_y, .write = bias_->take_write()});
  }
}

}  // namespace dure::nn
