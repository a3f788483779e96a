// A whole model in the memory of one rank.
#pragma once

#include <cstdint>

#include "dure/model/decoder.h"
#include "dure/nn/parameter.h"
#include "dure/train/rank.h"

namespace dure::train {

// Whether gradients will be wanted.
enum class Purpose : std::uint8_t { kTrain, kEvaluate };

// Values are uninitialised: draw them (model/initialize.h) or load them.
class Replica {
 public:
  // `config` must be resolved.
  Replica(Rank& rank,
          const model::ModelConfig& config,
          std::uint64_t seed,
          Purpose purpose);

  const model::Decoder& decoder() const { return decoder_; }
  const model::ModelConfig& config() const { return decoder_.config(); }
  nn::ParameterSet& parameters() { return parameters_; }

 private:
  nn::ParameterSet parameters_;
  model::Decoder decoder_;
};

}  // namespace dure::train
