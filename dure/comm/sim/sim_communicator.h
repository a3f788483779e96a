// The communicator of a simulated rank: touches no data, only takes time.
//
// The other ranks do not exist; they are assumed to arrive at the same time. A
// collective takes the time of its plan on the network (plan_cost.h).
// Collectives of one communicator run one after another; those of different
// communicators, and messages, run as if each were alone. A collective begins
// at the time of its stream, and its event is a time: a stream that waits moves
// its clock there, unless computation has moved it further already.
//
// kAutomatic and kDirect take the algorithm that choose() names, by the link
// between nodes if the ranks are on several. An uneven all_to_all is timed as
// an even one of the size of x or y, whichever is larger.
//
// split() throws Unsupported, because it needs the other ranks' arguments; use
// subgroup(), which names the ranks.
#pragma once

#include <memory>

#include "dure/comm/communicator.h"
#include "dure/comm/sim/plan_cost.h"

namespace dure::comm {

struct SimWorld {
  int rank = 0;
  int ranks = 1;
  SimNetwork network = {};
  Options options = {};
};

std::unique_ptr<Communicator> make_sim_communicator(const SimWorld& world);

}  // namespace dure::comm
