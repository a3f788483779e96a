// MPI itself: starting it, asking it, ending it.
#pragma once

#include "dure/comm/mpi/mpi_call.h"
#include "dure/comm/mpi/world.h"

namespace dure::comm {

// Threads: one thread makes it and calls finalize(). To MPI that is the main
// thread.
class Session {
 public:
  explicit Session(MpiThreads threads);

  // Whether any thread may call MPI, one at a time.
  bool any_thread() const { return any_thread_; }
  // A duplicate of MPI_COMM_WORLD whose errors are returned.
  MPI_Comm world() const { return world_; }
  const MpiFacts& facts() const { return facts_; }
  int largest_tag() const { return largest_tag_; }

  void finalize();

 private:
  void start(MpiThreads threads);
  void learn_places();
  void learn_largest_tag();

  bool any_thread_ = false;
  bool guest_ = false;  // other code has started MPI, and will end it
  MPI_Comm world_ = MPI_COMM_NULL;
  MpiFacts facts_;
  int largest_tag_ = 32767;  // the standard's least
};

}  // namespace dure::comm
