// Whether a training step fits into memory.limit_gib, before it runs.
#pragma once

#include "dure/train/config.h"

namespace dure::plan {

// Throws UsageError where a step of `config`, resolved and of known ranks,
// would take more than it allows a rank: with the predicted bytes by category
// and in total, what is allowed, and which changes the prediction says would
// fit. Without a limit, returns at once.
void check_memory(const train::Config& config);

// Whether it would not throw.
bool fits(const train::Config& config);

}  // namespace dure::plan
