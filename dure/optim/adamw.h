// The optimizer row of kernels/adamw.h.
#pragma once

#include "dure/optim/optimizer.h"

namespace dure::optim {

extern const OptimizerRow kAdamW;

}  // namespace dure::optim
