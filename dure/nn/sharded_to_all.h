// A linear layer with sharded inputs: each tensor rank multiplies its own
// columns of x, and the sum over ranks goes onto the residual stream
// ("row-parallel", after Y = X A with A = weight^T) [1, section 3].
//
//   y = residual + dropout(sum over ranks of x weight^T + bias)
//
// It leaves a region (parallel/tensor/regions.h): PartialSum in the forward,
// AllRows of d_y in the backward. Bias and, without dropout, residual are the
// epilogue of the product on the rank that completes a row.
//
// [1] Shoeybi et al. 2019, arXiv:1909.08053.
#pragma once

#include "dure/nn/dropout.h"
#include "dure/nn/parameter.h"

namespace dure::nn {

// There are N rows on T ranks; a stream has n of them here.
class ShardedToAll {
 public:
  struct Forward {
    Tensor y;              // (n, out), a stream   overwritten; may be residual
    ConstTensor x;         // (N, in / T)
    ConstTensor residual;  // (n, out), a stream
    const Sequences& sequences;
  };

  // The residual's gradient is d_y itself. If the parameters' gradients are
  // deferred, the queue takes x (weight_gradient_store.h), but not d_y, which
  // is the stream's and which other layers add to in place. The deferred half
  // owns the branch's gradient, which dropout makes, or, without dropout, a
  // copy of d_y. The stream may have a type of its own: the branch has the
  // weight's.
  struct Backward {
    Tensor d_x;       // (N, in / T)   overwritten
    ConstTensor d_y;  // (n, out), a stream
    OwnedTensor& x;   // (N, in / T)   the forward's
    const Sequences& sequences;
  };

  // weight is (out, in / T); bias (out), or null, is on every rank. If rows are
  // cut, its gradient is a summand over tensor ranks.
  ShardedToAll(Parameter& weight, Parameter* bias, Dropout dropout)
      : weight_(weight), bias_(bias), dropout_(dropout) {}

  void forward(Context& ctx, const Forward& op) const;

  // Writes the parameters' gradients as Parameter::take_write says, now or
  // later.
  void backward(Context& ctx, const Backward& op) const;

 private:
  void sum_products(Context& ctx,
                    Tensor y,
                    ConstTensor x,
                    ConstTensor residual) const;
  // Does all but dropout. The queue takes `branch` in place of d_y.
  void backward_products(Context& ctx,
                         const Backward& op,
                         OwnedTensor branch) const;
  void backward_bias(Context& ctx, ConstTensor d_y) const;
  void backward_weight(Context& ctx, ConstTensor d_rows, ConstTensor x) const;

  Parameter& weight_;
  Parameter* bias_;
  Dropout dropout_;
};

}  // namespace dure::nn
