// Fills a replica with weights, drawn or from disk.
#pragma once

#include <cstdint>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/checkpoint/weight_source.h"
#include "dure/comm/host_ranks.h"
#include "dure/train/replica.h"

namespace dure::train {

// Calls checkpoint::find_weights() on the first rank; all ranks open its
// result.
Path find_weights(comm::HostRanks& ranks, const Path& path, const Log& log);

// Both fill the shards that this rank owns, and distribute them as the store
// does: collective. The rows that pad the vocabulary are 0. Loading throws
// Error if a weight is not finite.
void draw_weights(Rank& rank, Replica& replica, std::uint64_t seed);
void load_weights(Rank& rank,
                  Replica& replica,
                  const checkpoint::WeightSource& source);

}  // namespace dure::train
