#include "dure/train/stages.h"

#include <utility>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/checkpoint/manifest.h"
#include "dure/model/stage_split.h"
#include "dure/train/profile.h"

namespace dure::train {
namespace {

using model::StageSplit;

model::Profile read_profile(const Config& config) {
  const std::string& path = config.parallel.profile;
  if (path.empty()) {
    throw UsageError(
        "wanted a file in parallel.profile beside \"profile\"; `dure plan "
        "profile` writes one");
  }
  ProfileFile file = profile_from_json(read_file(path), path);
  const std::string difference =
      checkpoint::model_difference(file.model, config.model);
  if (!difference.empty()) {
    throw UsageError(concat(path,
                            " was measured of another model: ",
                            difference,
                            "; `dure plan profile` measures this one"));
  }
  return std::move(file.profile);
}

}  // namespace

std::vector<model::UnitRange> stages_of(const Config& config, int stages) {
  try {
    StageSplit split = model::parse_split(config.parallel.split);
    if (split.way == StageSplit::Way::kProfile) {
      split.profile = read_profile(config);
    }
    return model::split_units(config.model, split, stages);
  } catch (const UsageError& error) {
    throw UsageError(concat("parallel.split: ", error.what()));
  }
}

}  // namespace dure::train
