// Dropout of one place in the model. The mask is a function of the run's seed,
// the place's name and the element's index in the whole run.
#pragma once

#include <string>

#include "dure/base/random.h"
#include "dure/kernels/dropout.h"
#include "dure/nn/context.h"

namespace dure::nn {

class Dropout {
 public:
  Dropout(std::uint64_t seed, const std::string& name, double rate)
      : stream_(seed, "dropout/" + name), rate_(static_cast<float>(rate)) {}

  // The mask for the micro-batch at hand, a sample having this many elements.
  // All is kept in evaluation.
  kernels::DropoutMask mask(const Context& ctx,
                            std::int64_t elements_per_sample) const;

  // The mask for a residual stream (n, C), of the micro-batch's `samples`.
  kernels::DropoutMask stream_mask(const Context& ctx,
                                   const Shape& stream,
                                   std::int64_t samples) const;

 private:
  RandomStream stream_;
  float rate_;
};

}  // namespace dure::nn
