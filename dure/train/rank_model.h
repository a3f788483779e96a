// A model on one rank: its layers, and the store of its weights.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dure/config/pipeline.h"
#include "dure/model/stack.h"
#include "dure/model/weight_table.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/data/parameter_store.h"
#include "dure/train/rank.h"

namespace dure::train {

// Values are uninitialised: draw them, or load them (load_weights.h).
class RankModel {
 public:
  // `config` must be resolved. Collective over the rank's world: all ranks hold
  // replicas, or parts of them, by the mesh, the pipeline and `store`, whose
  // `phase` and `tied` are filled in here.
  RankModel(Rank& rank,
            const model::ModelConfig& config,
            std::uint64_t seed,
            nn::Phase phase,
            parallel::StoreOptions store,
            Pipeline pipeline,
            const model::Types& types = {});

  // Has even stages, one for each rank of the pipe axis.
  RankModel(Rank& rank,
            const model::ModelConfig& config,
            std::uint64_t seed,
            nn::Phase phase,
            parallel::StoreOptions store = {},
            const model::Types& types = {});

  // The stack of a whole model.
  const model::Stack& stack() const;

  // The chunks that this rank has, in the order of the forward pass.
  std::span<const model::Stack> chunks() const { return chunks_; }
  const Pipeline& pipeline() const { return pipeline_; }
  const model::ModelConfig& config() const { return config_; }
  // The weights of the whole model.
  const model::WeightTable& weights() const { return weights_; }

  // Whether another rank of the pipe axis has the weight, too, and counts it:
  // the one with the first unit that uses it.
  bool is_copy(const nn::Parameter& parameter) const {
    return weights_.at(parameter.name).units.front() != parameter.units.front();
  }
  nn::ParameterSet& parameters() { return parameters_; }
  const nn::ParameterSet& parameters() const { return parameters_; }
  const model::Types& types() const { return types_; }
  // The streams that its chunks pass on.
  parallel::Boundaries boundaries() const {
    return boundaries_of(pipeline_, config_.hidden, types_.residual);
  }
  parallel::ParameterStore& store() { return store_; }
  const parallel::ParameterStore& store() const { return store_; }

 private:
  model::ModelConfig config_;
  model::Types types_;
  model::WeightTable weights_;
  Pipeline pipeline_;
  nn::ParameterSet parameters_;
  std::vector<model::Stack> chunks_;
  parallel::ParameterStore store_;
};

}  // namespace dure::train
