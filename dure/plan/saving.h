// The memory of a rank while it saves a checkpoint: what it holds between
// steps, and what it gets from other ranks or sends them
// (checkpoint/sharded/tensor_gatherer.h). On rank 0 it may be more than that of
// a step, most of all where the weights and states of others are many and the
// activations few.
#pragma once

#include <cstddef>
#include <span>

#include "dure/config/config.h"
#include "dure/plan/predict.h"

namespace dure::plan {

// Returns that of a stage's first rank, given the predictions of all stages.
// `config` is resolved and of known ranks.
std::size_t peak_while_saving(const train::Config& config,
                              std::span<const MemoryPrediction> stages,
                              std::size_t stage);

}  // namespace dure::plan
