// A model's weights from disk into a replica.
#pragma once

#include "dure/checkpoint/weight_source.h"
#include "dure/train/replica.h"

namespace dure::train {

// Fills every weight; the rows that pad the vocabulary are 0.
void load_weights(Rank& rank,
                  Replica& replica,
                  const checkpoint::WeightSource& source);

}  // namespace dure::train
