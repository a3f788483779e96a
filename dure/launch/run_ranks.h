// Ranks as threads of this process.
#pragma once

#include <functional>
#include <string>

#include "dure/comm/communicator.h"

namespace dure::launch {

struct RankThreads {
  int ranks = 1;
  comm::Options comm = {};
  int threads = 0;  // of each rank; 0: its share of the cores
  // After a rank has failed the others are told so, and have so long to come
  // back from where they are. If one does not, `on_stuck` is called with what
  // to say; it should end the process, as nothing else can.
  double grace_seconds = 10;
  std::function<void(const std::string&)> on_stuck = {};
};

// Runs `body` on every rank, each a thread near its share of the cores
// (cores.h), whose communicator has as many threads in its options, one where
// ranks share cores, or as many as are asked for.
// When all are back: throws what the first rank to fail threw, "rank 3: "
// before its message; UsageError stays one. Throws Error where the system does
// not grant so many threads.
void run_ranks(const RankThreads& options,
               const std::function<void(comm::Communicator&)>& body);

// Throws Error, which says what limits them, where so many ranks of this
// process can't have so many threads each: it is known before they work.
void check_threads(int ranks, int threads);

}  // namespace dure::launch
