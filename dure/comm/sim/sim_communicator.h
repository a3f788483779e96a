// The communicator of a simulated rank: touches no data, only takes time.
//
// The other ranks do not exist: they are taken to come at the same time. A
// collective takes what its plan takes on the network (plan_cost.h); those of
// one communicator run one after another, those of different ones, and
// messages, as if each were alone. It begins at the time of the stream that it
// is given with, and its event is a time: a stream that waits moves its clock
// there, unless computation has moved it further meanwhile.
//
// kAutomatic and kDirect take the algorithm that choose() names, by the link
// between nodes where the ranks are on several. An uneven all_to_all is timed
// as an even one, of the larger of x and y.
//
// split() throws Unsupported, as it needs what other ranks would say; name the
// ranks, by subgroup().
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
