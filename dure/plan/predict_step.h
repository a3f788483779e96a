// How long a step will take, and how much of that its stages wait.
//
// Every stage's actions are timed on a simulated device (predict.h), with what
// its data and tensor ranks say to one another; replay() puts them together
// with the messages between stages. So it is a roofline's time: each operation
// at the device's best, and all ranks of a stage alike.
#pragma once

#include <cstddef>
#include <vector>

#include "dure/plan/predict.h"

namespace dure::plan {

// The machines of a run: every rank's device, and what lies between them.
struct Machines {
  DeviceRates rates = {};
  comm::SimNetwork network = {};
};

// Of the second step.
struct StageTime {
  double busy_seconds = 0;   // in its actions
  double idle_seconds = 0;   // between them, while the pipeline runs
  double after_seconds = 0;  // gradients left to sum, the norm, the optimizer
  std::size_t gathered_bytes = 0;  // of weights, from the ranks that share them

  // Idle, of all that the pipeline runs.
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

// Both.
Prediction predict(const train::Config& config, const Machines& machines = {});

// What it costs at ZeRO's stage 3 to gather weights for every use, or once a
// step and keep them: of the worst stage each.
struct GatherCost {
  const char* name = "";  // of parallel.gather
  std::size_t gathered_bytes = 0;
  std::size_t high_water = 0;
  double step_seconds = 0;
};
std::vector<GatherCost> gather_costs(const train::Config& config,
                                     const Machines& machines = {});

}  // namespace dure::plan
