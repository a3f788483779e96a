// What ranks know together: the same on each of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dure/base/exact_sum.h"
#include "dure/comm/communicator.h"

namespace dure::train {

// The sum of all ranks' sums.
ExactSum sum_over(comm::Communicator& ranks, ExactSum sum);

// The least that any rank has, or nothing where none has any. Not negative.
std::optional<std::int64_t> least_over(comm::Communicator& ranks,
                                       std::optional<std::int64_t> value);

// Whether any rank says so.
bool any_of(comm::Communicator& ranks, bool here);

// Of all ranks.
double sum_over(comm::Communicator& ranks, double value);

// Every rank's text, in the order of the ranks, on rank 0; elsewhere nothing.
// Of simulated ranks there is one alone.
std::vector<std::string> gather_texts(comm::Communicator& ranks,
                                      const std::string& text);

}  // namespace dure::train
