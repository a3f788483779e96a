// How the processes of a run that are on one host divide its cores.
#pragma once

#include <vector>

#include "dure/comm/communicator.h"

namespace dure::launch {

// Of one of several processes.
struct CoreShare {
  std::vector<int> cores = {};
  int sharers = 1;  // processes that divide the same ones, it among them
};

// Of the process at `place` among those of its host, each of which may use the
// cores that the launcher has left it, the same ones in the same order. Who may
// use the same ones divides them as threads of one process would
// (divide_cores). Who has cores of its own has them all.
CoreShare share_of(const std::vector<std::vector<int>>& usable, int place);

// Collective: this process's. `nodes` says of every rank on which host it is.
CoreShare share_cores(comm::Communicator& world, const std::vector<int>& nodes);

}  // namespace dure::launch
