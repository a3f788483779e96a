// The ranks of a run that mpirun or srun started, a process each.
//
//   MpiWorld world;
//   const auto comm = world.communicator(options);
//   try {
//     work(*comm);
//   } catch (const std::exception& error) {
//     print(error);
//     world.abort(error.what(), 1);
//   }
//   world.finish();
//
// The library has a thread of its own that calls MPI_Init_thread and
// MPI_Finalize. If MPI allows calls by one thread after another
// (MPI_THREAD_SERIALIZED), a thread that waits for an operation drives all of
// them, and the library's thread drives the operations that nobody waits for.
// If not (MPI_THREAD_FUNNELED), the library's thread alone calls MPI. In both
// cases it answers other ranks' questions about a collective that does not end
// while its own rank computes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"

namespace dure::comm {

// Whether this build has the back end. Without it MpiWorld's constructor
// throws.
bool built_with_mpi();

// "Open MPI v4.1.4, ..., MPI 3.1", whether MPI was started or not; "" in a
// build without MPI.
std::string mpi_library();

// Which threads call MPI.
enum class MpiThreads : std::uint8_t { kSerialized, kFunneled };

struct MpiFacts {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  // among the ranks that share this one's memory
  int local_size = 1;
  std::vector<int> nodes =
      {};  // of every rank: 0 for that of rank 0, then 1 ...
  std::string thread_level = {};  // "serialized": what MPI granted
};

class MpiEngine;

// There is one in a process, used by one thread. Throws Error if MPI can't be
// started.
class MpiWorld {
 public:
  explicit MpiWorld(MpiThreads threads = MpiThreads::kSerialized);
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;
  // Without finish() MPI is not finalized, and the launcher treats the end of
  // this process as a failure.
  ~MpiWorld();

  const MpiFacts& facts() const;

  // Collective: a communicator of all ranks. Each call makes a world of its
  // own, with its own traffic, flight recorder and failures.
  std::unique_ptr<Communicator> communicator(const Options& options);

  // Collective: waits for started operations, and finalizes MPI. Communicators
  // can't be used afterwards.
  void finish();

  // Ends all processes of the run because this rank has failed. The others'
  // operations throw Aborted with this rank and message, and each of them has
  // some seconds to print it and to call abort() too; then MPI_Abort ends the
  // rest. The caller prints before it calls this.
  [[noreturn]] void abort(const std::string& message, int exit_code);

 private:
  std::shared_ptr<MpiEngine> engine_;
};

}  // namespace dure::comm
