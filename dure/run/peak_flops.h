// The peak FLOP/s of this machine, of which utilization is a share.
#pragma once

#include "dure/tensor/device.h"
#include "dure/tensor/dtype.h"

namespace dure::train {

// The floating-point operations a second that this process can do on all its
// cores, or on a GPU, whatever the calling rank's share of them, with operands
// of this type. It measures products of 2048 x 768 by 768 x 3072 and takes the
// best of a few, about a third of a second of work; a slow machine multiplies
// fewer rows. On kSim it is the simulated device's rate. The process's other
// ranks should be idle during the measurement.
double measure_peak_flops(Device device, DType dtype);

}  // namespace dure::train
