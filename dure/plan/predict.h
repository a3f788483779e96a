// What a step will take, before it is run: the real training step on a
// simulated device, which counts memory and moves a clock.
#pragma once

#include <cstdint>

#include "dure/tensor/ledger.h"
#include "dure/train/config.h"

namespace dure::plan {

struct Prediction {
  BytesByCategory peak_bytes{};  // each category's own peak
  std::size_t peak_total = 0;    // of all together
  double step_seconds = 0;
  double tokens_per_second = 0;
};

// Runs two steps of `config`, which must be resolved, on Device::kSim with
// these rates; the second one is timed. Memory is exact: the same code asks for
// it. Time is a roofline's: each operation at the device's best.
Prediction predict(const train::Config& config, DeviceRates rates);

}  // namespace dure::plan
