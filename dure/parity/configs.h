// The two configurations that a comparison of layouts is of.
#pragma once

#include "dure/config/config.h"

namespace dure::train {

// Returns the same training on one rank of the CPU, with micro-batches of the
// same size: the reference of a layout. Throws UsageError if the schedule has
// no flush, because then no layout of one rank does the same.
Config one_rank_of(const Config& layout);

// Throws UsageError, naming the first key that differs, where the two are no
// layouts of one training.
void expect_comparable(const Config& layout, const Config& reference);

}  // namespace dure::train
