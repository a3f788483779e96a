// A model on one rank: its layers, and the store of its weights.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "dure/model/stack.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/zero/parameter_store.h"
#include "dure/train/pipeline.h"
#include "dure/train/rank.h"

namespace dure::train {

// Whether there will be gradients.
enum class Purpose : std::uint8_t { kTrain, kEvaluate };

// Values are uninitialised: draw them, or load them (load_weights.h).
class Replica {
 public:
  // `config` must be resolved. Collective over the rank's world: all ranks hold
  // replicas, or parts of them, by the mesh, the pipeline and `store`, whose
  // `gradients` and `tied` are filled in here.
  Replica(Rank& rank,
          const model::ModelConfig& config,
          std::uint64_t seed,
          Purpose purpose,
          parallel::StoreOptions store,
          Pipeline pipeline);

  // Uses even stages, one for each rank of the pipe axis.
  Replica(Rank& rank,
          const model::ModelConfig& config,
          std::uint64_t seed,
          Purpose purpose,
          parallel::StoreOptions store = {});

  // The stack of a whole model.
  const model::Stack& stack() const;

  // The chunks that this rank has, in the order of the forward pass.
  std::span<const model::Stack> chunks() const { return chunks_; }
  const Pipeline& pipeline() const { return pipeline_; }
  const model::ModelConfig& config() const { return config_; }

  // Whether another rank of the pipe axis has the weight, too, and counts it.
  bool is_copy(const nn::Parameter& parameter) const {
    return copies_.contains(parameter.name);
  }
  nn::ParameterSet& parameters() { return parameters_; }
  const nn::ParameterSet& parameters() const { return parameters_; }
  // The streams that its chunks pass on, in the type of its weights.
  parallel::Boundaries boundaries() const {
    return boundaries_of(
        pipeline_, config_.hidden, parameters_.all().front().value.dtype());
  }
  parallel::ParameterStore& store() { return store_; }
  const parallel::ParameterStore& store() const { return store_; }

 private:
  model::ModelConfig config_;
  Pipeline pipeline_;
  nn::ParameterSet parameters_;
  std::vector<model::Stack> chunks_;
  std::set<std::string> copies_;  // names
  parallel::ParameterStore store_;
};

}  // namespace dure::train
