// A linear layer with sharded outputs: from all of its input each tensor rank
// makes its own columns of y ("column-parallel", after Y = X A with A =
// weight^T) [1, section 3].
//
//   y = all rows of x  weight^T  (+ bias)
//
// It enters a region (parallel/tensor/regions.h): AllRows of x in the forward;
// in the backward PartialSum of d_x, which overlaps with the weight's gradient.
// Rows that had to be gathered are gathered again in the backward, not saved
// [2, section 4.2.2].
//
// [1] Shoeybi et al. 2019, arXiv:1909.08053. [2] Korthikanti et al. 2022,
// arXiv:2205.05198.
#pragma once

#include "dure/nn/context.h"
#include "dure/nn/parameter.h"

namespace dure::nn {

// There are N rows on T ranks; a stream has n of them here.
class AllToSharded {
 public:
  // If the parameters' gradients are deferred, the queue takes d_y and x
  // (weight_gradient_store.h); else the caller keeps them.
  struct Backward {
    Tensor d_x;        // (n, in), a stream   overwritten
    OwnedTensor& d_y;  // (N, out / T)
    OwnedTensor& x;    // (n, in)             the forward's
  };

  // weight (out / T, in); bias (out / T) or null.
  AllToSharded(Parameter& weight, Parameter* bias)
      : weight_(weight), bias_(bias) {}

  // y (N, out / T); x (n, in), a stream.
  void forward(Context& ctx, Tensor y, ConstTensor x) const;

  // Writes the parameters' gradients as Parameter::take_write says, now or
  // later.
  void backward(Context& ctx, const Backward& op) const;

 private:
  void backward_parameters(Context& ctx, ConstTensor d_y, ConstTensor x) const;

  Parameter& weight_;
  Parameter* bias_;
};

}  // namespace dure::nn
