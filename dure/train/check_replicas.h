// Whether what should be the same on several ranks is.
#pragma once

#include "dure/train/trainer.h"

namespace dure::train {

// Compares a hash of every weight, or of the part that is kept of it, over all
// ranks that should hold the same. Throws Error that names the weight and the
// ranks, in the order of the data, that differ from the first one. Collective.
void check_replicas(Trainer& trainer);

}  // namespace dure::train
