// How long a step will take, and how long its stages wait in it.
//
// Every stage's actions are timed on a simulated device (predict.h), with the
// communication of its data and tensor ranks. replay() puts them together with
// the messages between stages. The result is a roofline time: each operation
// takes the device's best time, and all ranks of a stage are alike.
#pragma once

#include <cstddef>
#include <vector>

#include "dure/plan/predict.h"

namespace dure::plan {

// The machines of a run: every rank's device, and the links between them.
struct Machines {
  DeviceRates rates = {};
  comm::SimNetwork network = {};
};

// The times of a stage in the second step.
struct StageTime {
  double busy_seconds = 0;   // in its actions
  double idle_seconds = 0;   // between them, while the pipeline runs
  double after_seconds = 0;  // gradients left to sum, the norm, the optimizer
  std::size_t gathered_bytes = 0;  // of weights, from the ranks that share them

  // The idle share of the time in which the pipeline runs.
  double bubble() const { return idle_seconds / (busy_seconds + idle_seconds); }
};

struct Prediction {
  std::vector<MemoryPrediction> memory;  // by stage
  std::vector<StageTime> stages;
  double message_seconds = 0;  // the longest between two stages
  double step_seconds = 0;
  double tokens_per_second = 0;

  double bubble() const;  // the mean of the stages'
};

// The time alone; memory is left empty.
Prediction predict_time(const train::Config& config,
                        const Machines& machines = {});

// Predicts memory and time.
Prediction predict(const train::Config& config, const Machines& machines = {});

// The cost of ZeRO's stage 3 if weights are gathered for every use, and if they
// are gathered once a step and kept; each for the worst stage.
struct GatherCost {
  const char* name = "";  // of parallel.gather
  std::size_t gathered_bytes = 0;
  std::size_t high_water = 0;
  double step_seconds = 0;
};
std::vector<GatherCost> gather_costs(const train::Config& config,
                                     const Machines& machines = {});

}  // namespace dure::plan
