// How fast this machine multiplies matrices: what utilization is a share of.
#pragma once

#include "dure/tensor/device.h"

namespace dure::train {

// Floating-point operations a second that this process can do on all its cores,
// whatever share of them the calling rank has: of a product of 2048 x 768 by
// 768 x 3072, the best of a few: about a third of a second of work. A machine
// that is slow at it multiplies fewer rows. On kSim, what a simulated device
// can do. Other ranks of the process should have nothing to do meanwhile.
double measure_peak_flops(Device device);

}  // namespace dure::train
