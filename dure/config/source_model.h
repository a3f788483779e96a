// The model of the weights that a run starts from, where it does not draw them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dure/config/config.h"

namespace dure::train {

// The answer to checkpoints that checkpoint.directory holds already.
enum class Start : std::uint8_t {
  kNew,      // refuse, so that nothing is lost or mixed
  kResume,   // go on from the newest whole one
  kRestart,  // begin anew, with the old ones put aside
};

// The model of these weights, from its description alone: the keys of [model]
// start from it. A resumed run takes it from its newest checkpoint, wherever
// train.from is by now.
struct SourceModel {
  model::ModelConfig model;
  std::string name;  // "train.from = gpt2", for messages
};

// Nothing if train.from is empty. `asked` need not be resolved. Throws Error if
// there are no weights.
std::optional<SourceModel> source_model(const Config& asked, Start start);

// Throws UsageError, naming the first key that differs, if weights of the
// source can't be those of `wanted`.
void expect_model(const SourceModel& source, const model::ModelConfig& wanted);

}  // namespace dure::train
