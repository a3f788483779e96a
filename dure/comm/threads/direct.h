// One rank's share of a collective that reads and writes its peers' memory.
#pragma once

#include <span>

#include "dure/comm/collective.h"

namespace dure::comm {

// requests[i] is rank i's; they agree (agreement.h). Every rank calls this
// once, at any time. No two ranks write to the same element.
void run_share(std::span<const Request* const> requests, int rank);

}  // namespace dure::comm
