// A rank's parameters, from a model's table of weights.
#pragma once

#include <span>

#include "dure/model/unit.h"
#include "dure/nn/parameter.h"

namespace dure::model {

// Adds to `parameters` the weights that these ranges of units use, as the parts
// that a rank at `place` holds; the caller allocates and fills values. Weights
// of different ranges are in different groups (nn::Parameter::group), and so is
// a weight that several of them, or another rank, use (a tied embedding).
void add_weights(const ModelConfig& config,
                 nn::ParameterSet& parameters,
                 const mesh::Place& place,
                 std::span<const UnitRange> stretches,
                 const nn::ParameterTypes& types = {});

}  // namespace dure::model
