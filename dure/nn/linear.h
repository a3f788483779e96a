// A linear layer: y = x weight^T (+ bias) (+ residual).
#pragma once

#include "dure/nn/context.h"
#include "dure/nn/parameter.h"

namespace dure::nn {

class Linear {
 public:
  struct Saved {
    ConstTensor x;  // (N, in)   the caller's, until the backward
  };

  // weight (out, in); bias (out) or null.
  Linear(Parameter& weight, Parameter* bias) : weight_(weight), bias_(bias) {}

  // y (N, out); residual (N, out) is optional and may be y.
  void forward(Context& ctx,
               Tensor y,
               ConstTensor x,
               Saved& saved,
               ConstTensor residual = {}) const;

  // The two halves of a backward, in any order: the gradient of the input,
  // overwritten, and those of the parameters, by Parameter::take_write.
  void backward_input(Context& ctx, Tensor d_x, ConstTensor d_y) const;
  void backward_parameters(Context& ctx,
                           ConstTensor d_y,
                           const Saved& saved) const;

  void backward(Context& ctx,
                Tensor d_x,
                ConstTensor d_y,
                const Saved& saved) const {
    backward_input(ctx, d_x, d_y);
    backward_parameters(ctx, d_y, saved);
  }

 private:
  Parameter& weight_;
  Parameter* bias_;
};

}  // namespace dure::nn
