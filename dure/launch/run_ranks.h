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
  // After a rank has failed the others are told, and have so long to return. If
  // one does not, `on_stuck` is called with a message; it should end the
  // process, as nothing else can.
  double grace_seconds = 10;
  std::function<void(const std::string&)> on_stuck = {};
};

// Runs `body` on every rank, each a thread near its share of the cores
// (cores.h). The options of its communicator say how many threads the rank has:
// one for each of its cores, one if ranks share cores, or the number asked for.
// When all are back, throws the error of the first rank to fail, with "rank 3:
// " before its message; UsageError stays one. Throws Error if the system does
// not grant so many threads.
void run_ranks(const RankThreads& options,
               const std::function<void(comm::Communicator&)>& body);

// Throws Error, which says what limits them, if so many ranks of this process
// can't have so many threads each. It is called before the ranks begin.
void check_threads(int ranks, int threads);

}  // namespace dure::launch
