// The optimizer row of kernels/lamb.h.
#pragma once

#include "dure/optim/optimizer.h"

namespace dure::optim {

extern const OptimizerRow kLamb;

}  // namespace dure::optim
