// Models of published sizes, by name.
//
// A preset is a starting point: any key of [model] given beside it replaces its
// value.
#pragma once

#include <string>
#include <vector>

#include "dure/model/config.h"

namespace dure::model {

struct Preset {
  ModelConfig config;  // its `preset` is the name
  std::string remark;  // the source, and where ours differs from it
};

// GPT-2 [1], GPT-3 [2, table 2.1], Llama 2 [3] and Llama 3 [4].
//
// [1] Radford et al. 2019, "Language Models are Unsupervised Multitask
// Learners". [2] Brown et al. 2020, arXiv:2005.14165. [3] Touvron et al. 2023,
// arXiv:2307.09288. [4] Grattafiori et al. 2024, arXiv:2407.21783.
std::vector<Preset> presets();

// Throws UsageError for an unknown name, naming the nearest.
ModelConfig preset(const std::string& name);

// The default model with the norm, position, activation, biases and head of the
// family.
ModelConfig of_family(Family family);

}  // namespace dure::model
