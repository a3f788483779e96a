// Normalisation over the hidden dimension: LayerNorm where there is a bias,
// RMSNorm where there is none.
//
// It is by row, so it is done on a residual stream as it comes. Where that is
// cut, the parameters' gradients are parts of a sum over tensor ranks.
#pragma once

#include "dure/nn/context.h"
#include "dure/nn/parameter.h"

namespace dure::nn {

class Norm {
 public:
  struct Saved {
    ConstTensor x;     // (N, C)   the caller's, until the backward
    OwnedTensor mean;  // (N)      of LayerNorm
    OwnedTensor rstd;  // (N)
  };

  // gain (C); bias (C) or null.
  Norm(Parameter& gain, Parameter* bias, double epsilon)
      : gain_(gain), bias_(bias), epsilon_(static_cast<float>(epsilon)) {}

  void forward(Context& ctx, Tensor y, ConstTensor x, Saved& saved) const;

  // d_x = the gradient through the norm + residual, the gradient around it;
  // d_x may be d_y or residual.
  void backward(Context& ctx,
                Tensor d_x,
                ConstTensor d_y,
                const Saved& saved,
                ConstTensor residual = {}) const;

 private:
  Parameter& gain_;
  Parameter* bias_;
  float epsilon_;
};

}  // namespace dure::nn
