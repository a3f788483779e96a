// Whether all ranks were started for the same thing.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dure/comm/communicator.h"

namespace dure::comm {

// Keys and values, in an order that is the same everywhere.
using Facts = std::vector<std::pair<std::string, std::string>>;

// Collective. Throws UsageError, with the same text on every rank, where the
// facts are not the same on all: it has the first key that differs, its values
// and whose they are. Compares one number of each rank, and more only then.
void expect_same(Communicator& ranks, const Facts& facts);

}  // namespace dure::comm
