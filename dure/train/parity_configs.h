// The two configurations that a comparison of layouts is of.
#pragma once

#include "dure/train/config.h"

namespace dure::train {

// The same training on one rank, of as large micro-batches: what a layout is
// compared with. Throws UsageError where the schedule has no flush, and so no
// layout of one rank does the same.
Config one_rank_of(const Config& layout);

// Throws UsageError, naming the first key that differs, where the two are no
// layouts of one training.
void expect_comparable(const Config& layout, const Config& reference);

}  // namespace dure::train
