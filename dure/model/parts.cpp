#include "dure/model/parts.h"

namespace dure::model {

nn::Linear make_linear(const ModelConfig& config,
                       nn::ParameterSet& parameters,
                       const std::string& name) {
  nn::Parameter* bias = config.bias ? &parameters[name + ".bias"] : nullptr;
  return nn::Linear(parameters[name + ".weight"], bias);
}

nn::Norm make_norm(const ModelConfig& config,
                   nn::ParameterSet& parameters,
                   const std::string& name) {
  nn::Parameter* bias =
      config.norm == Norm::kLayerNorm ? &parameters[name + ".bias"] : nullptr;
  return nn::Norm(parameters[name + ".weight"], bias, config.norm_epsilon);
}

}  // namespace dure::model
