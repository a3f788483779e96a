// Layers from a model's settings and its table of weights, by name.
#pragma once

#include <string>

#include "dure/model/config.h"
#include "dure/nn/norm.h"
#include "dure/nn/parameter.h"
#include "dure/nn/residual_dropout.h"

namespace dure::model {

// NAME.weight, and NAME.bias where the model has it.
nn::Linear make_linear(const ModelConfig& config,
                       nn::ParameterSet& parameters,
                       const std::string& name);
nn::Norm make_norm(const ModelConfig& config,
                   nn::ParameterSet& parameters,
                   const std::string& name);

}  // namespace dure::model
