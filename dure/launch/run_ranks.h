// Ranks as threads of this process.
#pragma once

#include <functional>
#include <string>

#include "dure/comm/communicator.h"

namespace dure::launch {

struct RankThreads {
  int ranks = 1;
  comm::Options comm = {};
  // After a rank has failed the others are told so, and have so long to come
  // back from where they are. If one does not, `on_stuck` is called with what
  // to say; it should end the process, as nothing else can.
  double grace_seconds = 10;
  std::function<void(const std::string&)> on_stuck = {};
};

// Runs `body` on every rank, each a thread with its share of the cores
// (cores.h) and OpenMP set to as many. When all are back: throws what the first
// rank to fail threw, "rank 3: " before its message; UsageError stays one.
void run_ranks(const RankThreads& options,
               const std::function<void(comm::Communicator&)>& body);

}  // namespace dure::launch
