// What ranks know together: the same on each of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dure/base/exact_sum.h"
#include "dure/comm/communicator.h"

namespace dure::train {

// The sum of all ranks' sums.
ExactSum sum_over(comm::Communicator& ranks, ExactSum sum);

// Of several at once.
void sum_over(comm::Communicator& ranks, std::span<ExactSum> sums);

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

// The first rank's text, on every rank; what the others pass does not matter.
std::string text_of_first(comm::Communicator& ranks, std::string text);

// function() on the first rank, then on the others: what it leaves on disk they
// find there.
template <typename Function>
auto first_rank_first(comm::Communicator& ranks, Function&& function) {
  const bool first = ranks.rank() == 0;
  if (!first) {
    ranks.run(comm::Barrier{});
  }
  auto result = function();
  if (first) {
    ranks.run(comm::Barrier{});
  }
  return result;
}

}  // namespace dure::train
