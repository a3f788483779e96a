// A model's weights into a replica: drawn, or from disk.
#pragma once

#include <cstdint>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/checkpoint/weight_source.h"
#include "dure/comm/host_ranks.h"
#include "dure/train/replica.h"

namespace dure::train {

// checkpoint::find_weights() on the first rank: all open what it has found.
Path find_weights(comm::HostRanks& ranks, const Path& path, const Log& log);

// Both fill what this rank keeps and hand it to the others, the first of those
// that keep the same to the rest: collective. The rows that pad the vocabulary
// are 0. Loading: Error where a weight is not finite.
void draw_weights(Rank& rank, Replica& replica, std::uint64_t seed);
void load_weights(Rank& rank,
                  Replica& replica,
                  const checkpoint::WeightSource& source);

}  // namespace dure::train
