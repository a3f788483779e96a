// memory.json: the peak bytes of every rank by category; docs/formats/run.md.
#pragma once

#include <span>
#include <string>

#include "dure/tensor/ledger.h"

namespace dure::train {

// {"rank": 0, "peak_bytes": {"parameters": ..., ...}, "peak_total": ...}
std::string memory_json(int rank, const Ledger& ledger);

// An array of all ranks' objects.
std::string memory_json(std::span<const std::string> ranks);

}  // namespace dure::train
