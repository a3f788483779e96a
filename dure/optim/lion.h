// The optimizer row of kernels/lion.h.
#pragma once

#include "dure/optim/optimizer.h"

namespace dure::optim {

extern const OptimizerRow kLion;

}  // namespace dure::optim
