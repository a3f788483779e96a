// A tensor in a wanted type: itself if it has that, else a rounded copy.
//
// The operands of a product have the type of its weight. A gradient in fp32, of
// the residual stream or of logits, is rounded when it enters one.
#pragma once

#include "dure/kernels/elementwise.h"
#include "dure/nn/context.h"

namespace dure::nn {

class InType {
 public:
  // A copy is in workspace, as long as this lives.
  InType(Context& ctx, ConstTensor x, DType dtype) : x_(x) {
    if (x.dtype() != dtype) {
      copy_ = ctx.workspace(x.shape(), dtype);
      launch(ctx.stream, kernels::Copy{.y = copy_, .x = x});
      x_ = copy_;
    }
  }

  ConstTensor get() const { return x_; }

 private:
  ConstTensor x_;
  OwnedTensor copy_;
};

}  // namespace dure::nn
