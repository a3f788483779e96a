// The contents of each stage of a run's pipeline, as parallel.split cuts it.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/config/config.h"
#include "dure/model/stage_split.h"

namespace dure::plan {

struct PipelineStage {
  int rank = 0;   // of the pipe axis
  int chunk = 0;  // of that rank
  model::UnitRange units;
  model::LayerRange layers;     // of the split (model/stage_split.h)
  std::int64_t parameters = 0;  // without padding, of all tensor ranks
  double flops_share = 0;       // of the whole model's
};

// The stages, in the order in which a micro-batch goes through them. `config`
// must be resolved and valid.
std::vector<PipelineStage> plan_stages(const train::Config& config);

}  // namespace dure::plan
