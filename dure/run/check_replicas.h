// Whether ranks that should hold the same weights do.
#pragma once

#include "dure/train/trainer.h"

namespace dure::train {

// Compares a hash of every weight, or of this rank's part of it, and of each
// master beside it, over all ranks that should hold the same: along the data
// axis; along the tensor axis, for weights that are not cut
// (parallel/data/replicated_gradients.h); and on the first and the last stage
// of a pipeline, which both have a tied embedding. Throws Error that names the
// weight and the ranks of the world that differ from most. Collective.
void check_replicas(Rank& rank, Trainer& trainer);

}  // namespace dure::train
