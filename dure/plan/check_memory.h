// Whether a training step fits into memory.limit_gib, or else into the memory
// that there is, before it runs.
#pragma once

#include <cstddef>
#include <string>

#include "dure/config/config.h"

namespace dure::plan {

// The memory of each rank if memory.limit_gib is not set: its part of
// something, such as "this machine's memory". 0 if it is not known.
struct MemoryShare {
  std::size_t bytes = 0;
  std::string of = {};
};

// Throws UsageError if a step of `config`, resolved and with known ranks, would
// take more than memory.limit_gib, or if that is 0, more than the rank's share.
// The error has the predicted bytes by category and in total, the limit, and
// changes that would make it fit by the prediction. Returns the predicted bytes
// of the rank that needs the most, or 0 at once without either limit.
std::size_t check_memory(train::Config config, const MemoryShare& share = {});

// Whether check_memory() would accept it.
bool fits(const train::Config& config);

}  // namespace dure::plan
