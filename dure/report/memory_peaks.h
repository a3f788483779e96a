// Reads memory.json (docs/formats/run.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dure/tensor/ledger.h"

namespace dure::report {

struct RankMemory {
  int rank = 0;
  BytesByCategory peak = {};   // of each category, at its own time
  std::size_t peak_total = 0;  // of all at one time
};

// Throws Error, beginning with `source`, for text that is not such a file.
std::vector<RankMemory> read_memory(std::string_view text,
                                    const std::string& source);

}  // namespace dure::report
