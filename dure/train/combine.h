// Sums that the ranks of one axis have together: the same on each of them. What
// all ranks of the world tell one another is Rank::control()'s.
#pragma once

#include <span>

#include "dure/base/exact_sum.h"
#include "dure/comm/communicator.h"

namespace dure::train {

// The sum of all ranks' sums, in the order of the stream.
ExactSum sum_over(comm::Communicator& ranks, Stream& stream, ExactSum sum);

// Of several at once.
void sum_over(comm::Communicator& ranks,
              Stream& stream,
              std::span<ExactSum> sums);

}  // namespace dure::train
