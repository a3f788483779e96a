// How fast this machine multiplies matrices: what utilization is a share of.
#pragma once

#include "dure/train/rank.h"

namespace dure::train {

// Floating-point operations a second of a product of 2048 x 768 by 768 x 3072,
// the best of a few: about a third of a second of work. A machine that is slow
// at it multiplies fewer rows. On kSim, what the simulated device can do.
double measure_peak_flops(Rank& rank);

}  // namespace dure::train
