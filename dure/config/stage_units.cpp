#include "dure/config/stage_units.h"

#include <optional>
#include <string>

#include "dure/base/check.h"
#include "dure/checkpoint/manifest.h"
#include "dure/config/profile_file.h"
#include "dure/model/stage_split.h"

namespace dure::train {
namespace {

using model::StageSplit;

const model::Profile& profile_of(const Config& config) {
  const std::optional<ProfileFile>& measured = config.parallel.measured;
  if (!measured) {
    throw UsageError(
        "wanted a file in parallel.profile beside \"profile\"; `dure plan "
        "profile` writes one");
  }
  const std::string difference =
      checkpoint::model_difference(measured->model, config.model);
  if (!difference.empty()) {
    throw UsageError(
        "{} was measured of another model: {}; `dure plan profile` "
        "measures this one",
        config.parallel.profile,
        difference);
  }
  return measured->profile;
}

}  // namespace

std::vector<model::UnitRange> stages_of(const Config& config, int stages) {
  try {
    StageSplit split = model::parse_split(config.parallel.split);
    if (split.method == StageSplit::Method::kProfile) {
      split.profile = profile_of(config);
    }
    return model::split_units(config.model, split, stages);
  } catch (const UsageError& error) {
    throw UsageError("parallel.split: {}", error.what());
  }
}

}  // namespace dure::train
