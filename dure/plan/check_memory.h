// Whether a training step fits into memory.limit_gib, or what there is, before
// it runs.
#pragma once

#include <cstddef>
#include <string>

#include "dure/train/config.h"

namespace dure::plan {

// What each rank can have where memory.limit_gib does not say: its part of
// something, such as "this machine's memory". 0: not known.
struct MemoryShare {
  std::size_t bytes = 0;
  std::string of = {};
};

// Throws UsageError where a step of `config`, resolved and of known ranks,
// would take more than memory.limit_gib allows a rank, or where that is 0, than
// its share: with the predicted bytes by category and in total, what is
// allowed, and which changes the prediction says would fit. Returns the bytes
// that the rank that needs the most is predicted to need; without either limit,
// 0 at once.
std::size_t check_memory(train::Config config, const MemoryShare& share = {});

// Whether it would not throw.
bool fits(const train::Config& config);

}  // namespace dure::plan
