// Messages between the hosts of ranks: numbers and texts that are in no tensor
// memory, such as stop flags, losses, errors and paths.
//
// They go over a communicator of their own, never over one that carries
// tensors, so they never wait behind tensors or make a device wait. Simulated
// ranks have nobody to ask: every sum is this rank's own, and no clock moves.
//
// All functions are collective over the ranks.
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
  // Makes a communicator "control" of all these ranks.
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

  // The least value of any rank, none negative; nothing if no rank has one.
  std::optional<std::int64_t> least(std::optional<std::int64_t> value);
  // Whether it is true on any rank.
  bool any(bool here);
  // Whether all ranks have the same value.
  bool all_same(std::int64_t value);

  // The numbers of every rank, on all ranks. Ranks may give different counts.
  std::vector<std::vector<std::int64_t>> gather(
      std::span<const std::int64_t> numbers);

  // Every rank's text, in the order of the ranks, on rank 0; empty elsewhere.
  // With simulated ranks there is this rank's alone.
  std::vector<std::string> gather_texts(const std::string& text);

  // The first rank's text, on all ranks; what the others pass is ignored. With
  // simulated ranks it is this rank's own.
  std::string broadcast_text(std::string text);

  // Returns when all ranks have called it.
  void barrier();

  // The text that function() returns on the first rank, on all ranks.
  template <typename Function>
  std::string first_rank_says(Function&& function) {
    return broadcast_text(is_first() ? std::forward<Function>(function)()
                                     : std::string());
  }

  // Calls function() on the first rank, then on the others, which find on disk
  // what the first one left there.
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
