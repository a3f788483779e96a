// Where tensors live and operations run.
#pragma once

#include <cstdint>

namespace dure {

// kSim computes nothing: its arena hands out addresses that must not be
// touched, its streams only count time. See kernels/op.h.
enum class Device : std::uint8_t { kCpu, kCuda, kSim };

// The device's peak rates: the two slopes of its roofline.
struct DeviceRates {
  double flops_per_second = 1e12;
  double bytes_per_second = 1e11;
};

}  // namespace dure
