// A layer of a configuration's model on one rank, as a stage of its own: its
// forward and backward on a micro-batch, timed.
#pragma once

#include <optional>
#include <vector>

#include "dure/config/config.h"
#include "dure/model/stack.h"
#include "dure/model/weights.h"
#include "dure/train/micro_batch.h"
#include "dure/train/rank.h"

namespace dure::plan {

// Weights that stay in place, as with ZeRO 0 on one rank.
class InPlace final : public nn::ParameterStorage {
 public:
  void begin(int, nn::Access, const nn::Context&) override {}
  void end(int, nn::Access, const nn::Context&) override {}
};

// Matrices are whole (parallel.tensor 1).
class TimedLayer {
 public:
  struct Seconds {
    double forward = 0;
    double backward = 0;
  };

  // `config`, which must be resolved, and `rank` outlive it. `units` are a
  // layer's (model/stage_split.h).
  TimedLayer(train::Rank& rank,
             const train::Config& config,
             const model::UnitRange& units);

  // Gradients of weights are added to those of the run before.
  Seconds run();

  double output_bytes() const;
  double weight_bytes() const;

 private:
  Shape stream_shape() const { return {batch_.rows(), config_.model.hidden}; }
  OwnedTensor stream();
  void fill_weights();
  void fill(nn::Parameter& parameter, const model::WeightSpec& spec);
  double now() const;

  train::Rank& rank_;
  const train::Config& config_;
  InPlace home_;
  nn::ParameterSet parameters_;
  std::vector<OwnedTensor> memory_;
  std::optional<model::Stack> stack_;
  model::Stack::Saved saved_;
  train::MicroBatch batch_;
  model::Types types_;
  OwnedTensor d_loss_;
};

}  // namespace dure::plan
