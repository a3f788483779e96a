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
ExactSum sum_over(comm::Communicator& ranks, Stream& stream, ExactSum sum);

// Of several at once.
void sum_over(comm::Communicator& ranks,
              Stream& stream,
              std::span<ExactSum> sums);

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

// A text that the first rank has, on all of them. What the others give counts
// for nothing; but of simulated ranks there is one alone.
std::string broadcast_text(comm::Communicator& ranks, std::string text);

// Whether all ranks have the same.
bool all_same(comm::Communicator& ranks, std::int64_t value);

// What function() returns on the first rank, a text, on all of them.
template <typename Function>
std::string first_rank_says(comm::Communicator& ranks, Function&& function) {
  return broadcast_text(ranks, ranks.rank() == 0 ? function() : std::string());
}

// function() on the first rank, then on the others: what it leaves on disk they
// find there.
template <typename Function>
auto first_rank_first(comm::Communicator& ranks, Function&& function) {
  Stream host = host_stream();
  const bool first = ranks.rank() == 0;
  if (!first) {
    ranks.run(host, comm::Barrier{});
  }
  auto result = function();
  if (first) {
    ranks.run(host, comm::Barrier{});
  }
  return result;
}

}  // namespace dure::train
