// Dropout at one place in the model. The mask is a function of the run's seed,
// the place's name and the element's index in the whole run.
#pragma once

#include <string>

#include "dure/base/random.h"
#include "dure/kernels/dropout.h"
#include "dure/nn/context.h"
#include "dure/nn/sequences.h"

namespace dure::nn {

class Dropout {
 public:
  Dropout(std::uint64_t seed, const std::string& name, double rate)
      : stream_(seed, "dropout/" + name), rate_(static_cast<float>(rate)) {}

  // The mask for a micro-batch whose samples have this many elements each. In
  // evaluation it keeps everything.
  kernels::DropoutMask mask(const Context& ctx,
                            const Sequences& sequences,
                            std::int64_t elements_per_sample) const;

  // The mask for a residual stream (n, C).
  kernels::DropoutMask stream_mask(const Context& ctx,
                                   const Sequences& sequences,
                                   const Shape& stream) const;

 private:
  RandomStream stream_;
  float rate_;
};

}  // namespace dure::nn
