// First values of a model's weights.
#pragma once

#include <cstdint>

#include "dure/model/config.h"
#include "dure/nn/parameter.h"

namespace dure::model {

// Draws every weight by its table's rule (weights.h). A normal value is a
// function of the seed, the weight's name and the element's index in the whole
// weight, so that any cut of the weight draws the same numbers. The padding of
// the vocabulary is 0.
void initialize(Stream& stream,
                const ModelConfig& config,
                std::uint64_t seed,
                nn::ParameterSet& parameters);

}  // namespace dure::model
