// The MPI side of one communicator.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "dure/comm/abort_flag.h"
#include "dure/comm/communicator.h"
#include "dure/comm/mpi/inbox.h"
#include "dure/comm/mpi/mpi_call.h"

namespace dure::comm {

class Operation;

// State that the communicators split from one world share.
struct Lineage {
  Options options;
  std::shared_ptr<FlightRecorder> recorder;
  AbortFlag fate = {};
  bool is_twin = false;  // the run's failure is not its own
};

// Buffers that the collectives of a communicator reuse, one after another.
class Scratch {
 public:
  // The index-th buffer, 64-byte aligned. Its contents are lost when it has to
  // grow.
  void* buffer(std::size_t index, std::size_t bytes);

 private:
  static constexpr std::size_t kAlignment = 64;
  struct Buffer {
    std::unique_ptr<std::byte[]> data = {};
    std::size_t bytes = 0;  // of data
  };
  std::vector<Buffer> buffers_;
};

// Threads: constant members: any; the rest under the engine's lock.
struct Channel {
  std::uint64_t id = 0;  // the same on all its ranks, and theirs alone
  std::string axis = {};
  int rank = 0;
  std::vector<int> world_ranks = {};
  std::shared_ptr<Lineage> lineage = {};
  MPI_Comm data = MPI_COMM_NULL;      // collectives
  MPI_Comm messages = MPI_COMM_NULL;  // with the user's tags
  int largest_tag = 0;
  Inbox inbox = {};  // of messages
  Scratch scratch = {};

  std::uint64_t called = 0;                             // collectives so far
  std::shared_ptr<Operation> running = {};              // one of them
  std::deque<std::shared_ptr<Operation>> waiting = {};  // those after it

  int size() const { return static_cast<int>(world_ranks.size()); }
};

// The id of a communicator made from `parent`'s whose first rank is `leader` of
// the world.
std::uint64_t child_id(const Channel& parent, int leader);

// The id of the count-th world.
std::uint64_t world_id(std::uint64_t count);

}  // namespace dure::comm
