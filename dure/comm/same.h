// Whether all ranks were started with the same settings.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dure/comm/communicator.h"

namespace dure::comm {

// Keys and values, in an order that is the same everywhere.
using Facts = std::vector<std::pair<std::string, std::string>>;

// Collective. Throws UsageError, with the same text on every rank, if the facts
// differ between ranks: it names the first key that differs, its values and the
// ranks that have them. Compares one number of each rank, and more only if
// these differ.
void expect_same(Communicator& ranks, const Facts& facts);

}  // namespace dure::comm
