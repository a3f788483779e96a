// The optimizer row of kernels/sgd.h.
#pragma once

#include "dure/optim/optimizer.h"

namespace dure::optim {

extern const OptimizerRow kSgd;

}  // namespace dure::optim
