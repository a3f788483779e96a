// Asks the ranks of the world why an operation does not end.
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

  // Whether all have answered, or those that have not will not.
  bool over() const;

  // Whether all ranks of the operation itself have answered.
  bool all_live() const;
  // The activities of the ranks that have answered, by rank of the world.
  std::vector<RankDoing> doings() const;
  // Whether `rank` is the first of the ranks that wait.
  bool is_first_to_wait(int rank) const;

  // The text of the error to throw.
  std::string table() const;
  // Writes a file for each rank that has answered to Options::flight_directory.
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
