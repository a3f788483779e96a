// A model's first weights, drawn.
#pragma once

#include <cstdint>

#include "dure/train/rank.h"
#include "dure/train/rank_model.h"

namespace dure::train {

// Each rank draws its shards, by the elements' places in the whole weights, and
// hands them to those that have the same: collective. The rows that pad the
// vocabulary are 0.
void draw_weights(Rank& rank, RankModel& rank_model, std::uint64_t seed);

}  // namespace dure::train
