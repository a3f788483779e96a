// All families of models, and the models of published sizes.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "dure/model/family.h"

namespace dure::model {

std::span<const Family* const> families();

// The presets of all families.
std::vector<Preset> presets();

// The preset of this name. Throws UsageError for an unknown name, naming the
// nearest.
ModelConfig preset(const std::string& name);

}  // namespace dure::model
