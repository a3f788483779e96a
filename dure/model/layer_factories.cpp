#include "dure/model/layer_factories.h"

#include <variant>

namespace dure::model {

namespace {

nn::Parameter* bias_of(const ModelConfig& config,
                       nn::ParameterSet& parameters,
                       const std::string& name) {
  return config.bias ? &parameters[name + ".bias"] : nullptr;
}

}  // namespace

nn::AllToSharded make_all_to_sharded(const ModelConfig& config,
                                     nn::ParameterSet& parameters,
                                     const std::string& name) {
  return nn::AllToSharded(parameters[name + ".weight"],
                          bias_of(config, parameters, name));
}

nn::ShardedToAll make_sharded_to_all(const ModelConfig& config,
                                     std::uint64_t seed,
                                     nn::ParameterSet& parameters,
                                     const std::string& name) {
  return nn::ShardedToAll(parameters[name + ".weight"],
                          bias_of(config, parameters, name),
                          nn::Dropout(seed, name, config.dropout.hidden));
}

kernels::AttentionPattern attention_pattern(const ModelConfig& config) {
  return {.order = kernels::AttentionOrder::kCausal,
          .window = config.window > 0 ? config.window : kernels::kNoWindow};
}

nn::Positions make_positions(const ModelConfig& config, mesh::Part part) {
  switch (config.position) {
    case Position::kLearned:
      return nn::LearnedPositions{};
    case Position::kRope:
      return nn::RotaryPositions{.theta = config.rope_theta};
    case Position::kAlibi:
      return nn::AlibiPositions{
          .slopes = nn::alibi_slopes(config.heads / part.count, part)};
    case Position::kNone:
      break;
  }
  return nn::NoPositions{};
}

bool has_position_table(const ModelConfig& config) {
  return std::holds_alternative<nn::LearnedPositions>(
      make_positions(config, mesh::Part{}));
}

nn::Norm make_norm(const ModelConfig& config,
                   nn::ParameterSet& parameters,
                   const std::string& name) {
  nn::Parameter* bias = config.norm_bias == NormBias::kYes
                            ? &parameters[name + ".bias"]
                            : nullptr;
  return nn::Norm(
      *config.norm, parameters[name + ".weight"], bias, config.norm_epsilon);
}

}  // namespace dure::model
