// One rank of a run, on a simulated device, with samples that are never read.
#pragma once

#include <cstdint>
#include <memory>

#include "dure/config/config.h"
#include "dure/data/dataset.h"
#include "dure/tensor/device.h"
#include "dure/train/trainer.h"

namespace dure::plan {

// `config` must be resolved; parallel.data counts as 1 if it is auto.
train::RankOptions simulated_rank(const train::Config& config,
                                  int rank,
                                  DeviceRates rates = {},
                                  const comm::SimNetwork& network = {});

class Simulated {
 public:
  Simulated(const train::RankOptions& options, const train::Config& config);

  train::StepResult step() { return trainer_.step(*data_); }
  void steps(int count) { trainer_.steps(*data_, count); }

  train::Rank& rank() { return rank_; }
  train::Trainer& trainer() { return trainer_; }

 private:
  train::Rank rank_;
  train::Trainer trainer_;
  std::unique_ptr<data::Dataset> data_;
};

}  // namespace dure::plan
