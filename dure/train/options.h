// The options of the parts below the trainer, from the configuration.
#pragma once

#include "dure/config/config.h"
#include "dure/parallel/data/parameter_store.h"
#include "dure/train/rank.h"

namespace dure::train {

// How weights and gradients are kept and summed.
parallel::StoreOptions store_options(const Config& config);

// Where ranks stand and how they hold the residual stream; the rest is the
// caller's.
RankOptions rank_options(const Config& config);

}  // namespace dure::train
