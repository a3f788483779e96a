// How the processes of a run that are on one host divide its cores.
#pragma once

#include <vector>

#include "dure/comm/communicator.h"

namespace dure::launch {

// What a process of several should do.
struct CoreShare {
  std::vector<int> cores = {};  // to stay on
  int threads = 1;              // of OpenMP
};

// Of the process at `place` among those of its host, each of which may use the
// cores that the launcher has left it, the same ones in the same order. Who may
// use the same ones divides them as threads of one process would
// (divide_cores); where those are fewer than such processes, each may use all
// of them, by one thread. Who has cores of its own keeps them.
CoreShare share_of(const std::vector<std::vector<int>>& usable, int place);

// Collective: keeps the calling thread, and those that it starts, to this
// process's share. `nodes` says of every rank on which host it is.
CoreShare share_cores(comm::Communicator& world, const std::vector<int>& nodes);

}  // namespace dure::launch
