// What the hosts of ranks tell one another: numbers and texts that are in no
// tensor memory, such as stop flags, losses, errors and paths.
//
// They go over a communicator of their own, never over one that carries
// tensors: so none of them waits behind tensors, or has a device wait. On
// simulated ranks there is nobody to ask: every sum is this rank's own, and no
// clock moves.
//
// All of it is collective over the ranks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/exact_sum.h"
#include "dure/comm/communicator.h"
#include "dure/tensor/stream.h"

namespace dure::comm {

// Threads: one at a time.
class HostRanks {
 public:
  // Makes a communicator "control" of all of them.
  explicit HostRanks(Communicator& ranks);

  int rank() const { return ranks_->rank(); }
  int size() const { return ranks_->size(); }
  bool is_first() const { return rank() == 0; }
  bool is_one_process() const { return ranks_->is_one_process(); }
  Communicator& ranks() { return *ranks_; }

  // The sum over all ranks.
  double sum(double value);
  ExactSum sum(const ExactSum& sum);
  void sum(std::span<ExactSum> sums);  // of several at once

  // The least that any rank has, or nothing where none has any. Not negative.
  std::optional<std::int64_t> least(std::optional<std::int64_t> value);
  // Whether any rank says so.
  bool any(bool here);
  // Whether all ranks have the same.
  bool all_same(std::int64_t value);

  // The numbers of each rank, which may be more of one than of another, on all
  // of them.
  std::vector<std::vector<std::int64_t>> gather(
      std::span<const std::int64_t> numbers);

  // Every rank's text, in the order of the ranks, on rank 0; elsewhere nothing.
  // Of simulated ranks there is one alone.
  std::vector<std::string> gather_texts(const std::string& text);

  // A text that the first rank has, on all of them. What the others give counts
  // for nothing; but of simulated ranks there is one alone.
  std::string broadcast_text(std::string text);

  // Returns when all ranks have called it.
  void barrier();

  // What function() returns on the first rank, a text, on all of them.
  template <typename Function>
  std::string first_rank_says(Function&& function) {
    return broadcast_text(is_first() ? std::forward<Function>(function)()
                                     : std::string());
  }

  // function() on the first rank, then on the others: what it leaves on disk
  // they find there.
  template <typename Function>
  auto first_rank_first(Function&& function) {
    if (!is_first()) {
      barrier();
    }
    auto result = std::forward<Function>(function)();
    if (is_first()) {
      barrier();
    }
    return result;
  }

 private:
  template <typename T>
  void reduce(std::span<T> values, Reduction reduction);
  Counts gather_sizes(std::int64_t size);

  std::unique_ptr<Communicator> ranks_;
  Stream host_ = host_stream();
};

}  // namespace dure::comm
