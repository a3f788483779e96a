// A profile by measuring: what each layer of a configuration's model takes on
// this machine (model/profile.h).
#pragma once

#include "dure/tensor/device.h"
#include "dure/train/config.h"
#include "dure/train/profile.h"

namespace dure::plan {

struct MeasureProfile {
  int rounds = 5;  // of which the medians are taken; 1 or more
  double link_bytes_per_second = 0;  // 0: measure_link()
  DeviceRates rates = {};            // where train.device is sim
};

// Runs the embedding, one of the blocks, which are all alike, and the head each
// as a stage of its own would, forward and backward, on a micro-batch of the
// configuration, with train.threads of them, dropout, memory.recompute and
// memory.logits as they are, and with whole matrices (parallel.tensor 1). Of
// logits in blocks the head's gradients are in its forward's time. `config`
// must be resolved.
train::ProfileFile measure_profile(const train::Config& config,
                                   const MeasureProfile& options);

// Bytes a second of a message between two rank threads of this process.
double measure_link(std::int64_t bytes);

}  // namespace dure::plan
