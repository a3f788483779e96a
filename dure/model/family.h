// A family of models is a row: its name, its default settings, its published
// sizes, its units and weights, and its form at Hugging Face. Everything that
// differs by family reads the row, and is in the family's folder.
#pragma once

#include <vector>

#include "dure/model/config.h"

namespace dure::model {

class ModelTable;
struct HuggingFaceModel;

// A model of a published size, by name. It is a starting point: keys of [model]
// given beside it replace its values.
struct Preset {
  ModelConfig config;  // its `preset` is the name
  std::string remark;  // the source, and where ours differs from it
};

struct Family {
  const char* name;

  // Sets the family's defaults where they differ from the default model's.
  void (*begin)(ModelConfig& config);

  // The presets, in their order in docs/configuration.md.
  std::vector<Preset> (*presets)();

  // Describes its units and weights, in the order of the forward pass
  // (model_table.h).
  void (*describe)(ModelTable& table);

  // Null if Hugging Face has no model that ours converts to.
  const HuggingFaceModel* huggingface = nullptr;
};

// The default model with the family's defaults.
ModelConfig of_family(const Family& family);

}  // namespace dure::model
