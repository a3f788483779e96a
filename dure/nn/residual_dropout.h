// What a sublayer adds to the residual stream, with dropout on the way.
//
//   y = dropout(linear(x)) + residual
//
// Without dropout the addition is the product's epilogue.
#pragma once

#include <string>

#include "dure/base/random.h"
#include "dure/kernels/dropout.h"
#include "dure/nn/linear.h"

namespace dure::nn {

// Dropout of one place in the model. The mask is a function of the run's seed,
// the place's name and the element's index in the whole run.
class Dropout {
 public:
  Dropout(std::uint64_t seed, const std::string& name, double rate)
      : stream_(seed, "dropout/" + name), rate_(static_cast<float>(rate)) {}

  // The mask for the micro-batch at hand, a sample having this many elements.
  // All is kept in evaluation.
  kernels::DropoutMask mask(const Context& ctx,
                            std::int64_t elements_per_sample) const;

 private:
  RandomStream stream_;
  float rate_;
};

class ResidualLinear {
 public:
  struct Saved {
    Linear::Saved linear;
    kernels::DropoutMask mask;
  };

  ResidualLinear(Linear linear, Dropout dropout)
      : linear_(linear), dropout_(dropout) {}

  // y may be residual. `samples` is B: the rows of x are B sequences.
  void forward(Context& ctx,
               Tensor y,
               ConstTensor x,
               ConstTensor residual,
               std::int64_t samples,
               Saved& saved) const;

  // d_x of the linear layer's input. The residual's gradient is d_y itself.
  void backward(Context& ctx,
                Tensor d_x,
                ConstTensor d_y,
                const Saved& saved) const;

 private:
  Linear linear_;
  Dropout dropout_;
};

}  // namespace dure::nn
