// A family of models is a row: its name, what its settings begin as, its
// published sizes, its units and weights, and how Hugging Face has it.
// Everything that differs by family reads the row, and is in the family's
// folder.
#pragma once

#include <span>
#include <vector>

#include "dure/model/config.h"

namespace dure::model {

class ModelTable;
struct HuggingFaceModel;

// A model of a published size, by name: a starting point, in which any key of
// [model] given beside it replaces its value.
struct Preset {
  ModelConfig config;  // its `preset` is the name
  std::string remark;  // the source, and where ours differs from it
};

struct Family {
  const char* name;

  // Settings that are not the default model's, where they are not given.
  void (*begin)(ModelConfig& config);

  // In the order in which docs/configuration.md has them.
  std::vector<Preset> (*presets)();

  // Its units and weights, in the order of the forward pass (model_table.h).
  void (*describe)(ModelTable& table);

  // Null: Hugging Face has none that ours is converted to.
  const HuggingFaceModel* huggingface = nullptr;
};

std::span<const Family* const> families();

// The default model, as the family begins it.
ModelConfig of_family(const Family& family);

// All families'.
std::vector<Preset> presets();

// Throws UsageError for an unknown name, naming the nearest.
ModelConfig preset(const std::string& name);

}  // namespace dure::model
