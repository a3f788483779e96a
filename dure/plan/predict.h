// What a step will take, before it is run: the real training step on a
// simulated device, which counts memory and moves a clock.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/tensor/ledger.h"
#include "dure/train/config.h"

namespace dure::plan {

struct MemoryPrediction {
  BytesByCategory peak_bytes{};   // each category's own peak
  std::size_t peak_total = 0;     // of all together
  std::size_t high_water = 0;     // of the arena: with the holes between blocks
  std::size_t between_steps = 0;  // what stays
};

struct Prediction {
  MemoryPrediction memory;
  double step_seconds = 0;
  double tokens_per_second = 0;
};

// Runs steps of `config`, which must be resolved and its parallel.data known
// (auto is 1), as its first rank on Device::kSim: that rank keeps no less than
// any other. Memory is exact, as the same code asks for it at the same points
// of the step, whatever the network does. Workspace is that of train.threads,
// or where that is 0, of the threads that the caller's OpenMP has.
MemoryPrediction predict_memory(const train::Config& config);

// Elements of weights that each rank holds between steps, those of padding
// buckets excluded.
std::vector<std::int64_t> weights_by_rank(const train::Config& config);

// Memory, and the time of the second step with these rates. It is a roofline's:
// each operation at the device's best.
Prediction predict(const train::Config& config, DeviceRates rates);

}  // namespace dure::plan
