// Layers made from a model's settings and its table of weights, by name.
#pragma once

#include <string>

#include "dure/kernels/attention_pattern.h"
#include "dure/model/config.h"
#include "dure/nn/all_to_sharded.h"
#include "dure/nn/norm.h"
#include "dure/nn/parameter.h"
#include "dure/nn/positions.h"
#include "dure/nn/sharded_to_all.h"

namespace dure::model {

// Uses NAME.weight, and NAME.bias if the model has it.
nn::AllToSharded make_all_to_sharded(const ModelConfig& config,
                                     nn::ParameterSet& parameters,
                                     const std::string& name);
// Has a dropout of its name as well.
nn::ShardedToAll make_sharded_to_all(const ModelConfig& config,
                                     std::uint64_t seed,
                                     nn::ParameterSet& parameters,
                                     const std::string& name);
// How the model's blocks attend, and how they know the order of tokens.
kernels::AttentionPattern attention_pattern(const ModelConfig& config);
nn::Positions make_positions(const ModelConfig& config, mesh::Part part);
bool has_position_table(const ModelConfig& config);

nn::Norm make_norm(const ModelConfig& config,
                   nn::ParameterSet& parameters,
                   const std::string& name);

}  // namespace dure::model
