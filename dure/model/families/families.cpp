#include "dure/model/families/families.h"

#include <iterator>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/nearest.h"
#include "dure/model/gpt/gpt.h"
#include "dure/model/llama/llama.h"

namespace dure::model {
namespace {

constexpr const Family* kFamilies[] = {&kGpt, &kLlama};

}  // namespace

std::span<const Family* const> families() {
  return kFamilies;
}

std::vector<Preset> presets() {
  std::vector<Preset> all;
  for (const Family* family : families()) {
    std::ranges::move(family->presets(), std::back_inserter(all));
  }
  return all;
}

ModelConfig preset(const std::string& name) {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) {
    if (preset.config.preset == name) {
      return preset.config;
    }
    names.push_back(preset.config.preset);
  }
  throw UsageError(
      "model.preset: unknown preset \"{}\"{}", name, suggestion(name, names));
}

}  // namespace dure::model
