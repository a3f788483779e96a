// Normalisation over the hidden dimension: LayerNorm where there is a bias,
// RMSNorm where there is none.
//
// It is by row, so it is done on a residual stream as it comes. Where that is
// cut, the parameters' gradients are parts of a sum over tensor ranks.
#pragma once

#include "dure/nn/buffers.h"
#include "dure/nn/context.h"
#include "dure/nn/parameter.h"

namespace dure::nn {

class Norm {
 public:
  struct Saved {
    OwnedTensor mean;  // (N)   of LayerNorm
    OwnedTensor rstd;  // (N)
  };

  // d_x = the gradient through the norm + residual, the gradient around it.
  struct Backward {
    Tensor d_x;                 // (N, C)   overwritten; may be d_y or residual
    ConstTensor d_y;            // (N, C)
    ConstTensor x;              // (N, C)   the forward's
    ConstTensor residual = {};  // (N, C), optional
  };

  // gain (C); bias (C) or null.
  Norm(Parameter& gain, Parameter* bias, double epsilon)
      : gain_(gain), bias_(bias), epsilon_(static_cast<float>(epsilon)) {}

  void forward(Context& ctx, Tensor y, ConstTensor x, Saved& saved) const;

  void backward(Context& ctx, const Backward& op, const Saved& saved) const;

 private:
  Parameter& gain_;
  Parameter* bias_;
  float epsilon_;
};

inline void for_each_buffer(Norm::Saved& saved, const BufferVisitor& visit) {
  visit_buffers({&saved.mean, &saved.rstd}, visit);
}

}  // namespace dure::nn
