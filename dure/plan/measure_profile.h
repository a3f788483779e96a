// Measures a profile: the time of each layer of a configuration's model on this
// machine (model/profile.h).
#pragma once

#include "dure/config/config.h"
#include "dure/config/profile_file.h"
#include "dure/tensor/device.h"

namespace dure::plan {

struct MeasureProfile {
  int rounds = 5;                    // their median is taken; 1 or more
  double link_bytes_per_second = 0;  // 0: measure_link()
  DeviceRates rates = {};            // if train.device is sim
};

// Runs the embedding, one of the blocks, which are all alike, and the head,
// each as a stage of its own, forward and backward, on a micro-batch of the
// configuration. It uses train.threads threads, dropout, memory.recompute and
// memory.logits as configured, and whole matrices (parallel.tensor 1). If
// logits come in blocks, the head's forward includes its gradients. `config`
// must be resolved.
train::ProfileFile measure_profile(const train::Config& config,
                                   const MeasureProfile& options);

// The bytes a second of a message between two rank threads of this process.
double measure_link(std::int64_t bytes);

}  // namespace dure::plan
