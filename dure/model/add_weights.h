// A rank's parameters, from a model's table of weights.
#pragma once

#include <span>

#include "dure/model/unit.h"
#include "dure/nn/parameter.h"

namespace dure::model {

// Adds the weights that these stretches of the model use, the parts of them
// that a rank at `place` holds, to `parameters`; values are allocated and
// filled by the caller. Those of different stretches, and one that is used by
// several or by another rank's as well (a tied embedding), are in different
// groups (nn::Parameter::group).
void add_weights(const ModelConfig& config,
                 nn::ParameterSet& parameters,
                 const mesh::Place& place,
                 std::span<const UnitRange> stretches);

}  // namespace dure::model
