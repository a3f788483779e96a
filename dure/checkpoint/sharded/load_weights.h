// Fills a rank's shards with weights from disk.
#pragma once

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/checkpoint/weight_source.h"
#include "dure/comm/host_ranks.h"
#include "dure/train/rank.h"
#include "dure/train/rank_model.h"

namespace dure::train {

// Calls checkpoint::find_weights() on the first rank; all ranks open its
// result.
Path find_weights(comm::HostRanks& ranks, const Path& path, const Log& log);

// Fills the shards that this rank owns, and distributes them as the store does:
// collective. The rows that pad the vocabulary are 0. Throws Error if a weight
// is not finite.
void load_weights(Rank& rank,
                  RankModel& rank_model,
                  const checkpoint::WeightSource& source);

}  // namespace dure::train
