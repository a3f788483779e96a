// The embedding: token rows, plus learned positions where there are any, with
// dropout.
#pragma once

#include "dure/nn/dropout.h"
#include "dure/nn/parameter.h"

namespace dure::nn {

class Embedding {
 public:
  struct Saved {
    ConstTensor ids;        // (N) i32   the caller's, until the backward
    ConstTensor positions;  // (N) i32   likewise
    kernels::DropoutMask mask;
  };

  // token (V, C); position (S, C) or null.
  Embedding(Parameter& token, Parameter* position, Dropout dropout)
      : token_(token), position_(position), dropout_(dropout) {}

  // y (N, C). N is `samples` sequences.
  void forward(Context& ctx,
               Tensor y,
               ConstTensor ids,
               ConstTensor positions,
               std::int64_t samples,
               Saved& saved) const;

  // d_y is overwritten where there is dropout.
  void backward(Context& ctx, Tensor d_y, const Saved& saved) const;

 private:
  Parameter& token_;
  Parameter* position_;
  Dropout dropout_;
};

}  // namespace dure::nn
