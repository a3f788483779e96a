// How the processes of a run that are on one host divide its cores.
#pragma once

#include <vector>

#include "dure/comm/communicator.h"

namespace dure::launch {

// The share of one of several processes.
struct CoreShare {
  std::vector<int> cores = {};
  int sharers = 1;  // processes that divide the same ones, it among them
};

// The share of the process at `place` among those of its host. `usable` are the
// cores that the launcher left each of them. Processes that may use the same
// cores divide them as threads of one process would (divide_cores). A process
// with cores of its own has them all.
CoreShare share_of(const std::vector<std::vector<int>>& usable, int place);

// Collective: this process's share. `nodes` are the hosts of all ranks.
CoreShare share_cores(comm::Communicator& world, const std::vector<int>& nodes);

}  // namespace dure::launch
