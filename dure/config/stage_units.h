// The stages of a run's pipeline, by parallel.split.
#pragma once

#include <vector>

#include "dure/config/config.h"
#include "dure/model/weights.h"

namespace dure::train {

// The units of each of so many stages, ranks x chunks of each, in the order in
// which a micro-batch goes through them (model/stage_split.h). Throws
// UsageError if the layers can't be cut so, or if the profile that the split
// needs has not been read, or is of another model.
std::vector<model::UnitRange> stages_of(const Config& config, int stages);

}  // namespace dure::train
