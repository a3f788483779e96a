// Why an operation does not end: what the ranks of the world say when asked.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dure/comm/mpi/control.h"
#include "dure/comm/mpi/operation.h"
#include "dure/comm/patience.h"

namespace dure::comm {

class Inquiry {
 public:
  enum class Depth : std::uint8_t { kBrief, kFull };

  Inquiry(std::shared_ptr<Operation> operation, int world_size, Depth depth);

  const std::shared_ptr<Operation>& operation() const { return operation_; }
  Depth depth() const { return depth_; }
  Notice question() const;
  void hear(const Notice& answer);

  // All have answered, or those that have not will not.
  bool over() const;

  // Whether the operation's own ranks have.
  bool all_live() const;
  // Of those that have, by rank of the world.
  std::vector<RankDoing> doings() const;
  // Whether of those that wait `rank` is the first.
  bool is_first_to_wait(int rank) const;

  // What is to be thrown.
  std::string table() const;
  // Into Options::flight_directory: a file for each rank that has answered.
  void write_flight_recorders() const;

 private:
  std::string line_of(int rank) const;

  std::shared_ptr<Operation> operation_;
  std::size_t world_size_;
  Depth depth_;
  std::map<int, Notice> answers_;  // by rank of the world
  double until_;
};

}  // namespace dure::comm
