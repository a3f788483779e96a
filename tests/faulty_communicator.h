// A communicator that sums wrongly, on purpose: tests put it around the world
// of a layout's ranks, and all groups that are made from it do the same.
//
// It counts the reductions of each group, and carries out the one that it is
// told to as a faulty program would. Reductions are all_reduce and
// reduce_scatter; all_to_all, by which gradients are summed in the order of the
// ranks; and what the first stage receives of a tied weight's gradient, which
// it adds to its own. Groups of one rank have none: they copy.
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"

namespace dure {

enum class Fault : std::uint8_t {
  kLeftOut,           // this rank's own summand is taken for the sum
  kTwice,             // the sum is summed once more
  kOverAnotherGroup,  // the sum is that of other ranks
};
inline constexpr Fault kFaults[] = {
    Fault::kLeftOut, Fault::kTwice, Fault::kOverAnotherGroup};
const char* name_of(Fault fault);

// A reduction, of all ranks that have such a one.
struct ReductionSite {
  std::string group;  // its axis, and how many of that its rank made before
  std::string what;   // "all_reduce of 70 i64, sum"
  int number = 0;     // of the group's reductions of this kind, from 0
  auto operator<=>(const ReductionSite&) const = default;
};
std::string text(const ReductionSite& site);

// A rank's record of it.
struct SeenReduction {
  comm::Reduction reduction = comm::Reduction::kSum;
  // The ranks of the world that it could be of instead; none: there are none.
  std::vector<int> others = {};
};
using SeenReductions = std::map<ReductionSite, SeenReduction>;

struct FaultOptions {
  // Groups of ranks of the world that can stand in for others, each list of
  // all ranks. The ranks of a group have the same stage of a pipeline, and
  // make their common reductions in the same order.
  std::vector<std::vector<std::vector<int>>> stand_ins = {};
  std::optional<ReductionSite> site = {};  // nothing: all is as it should be
  Fault fault = Fault::kLeftOut;
};

// One rank's communicator; `world`, `options` and `seen` outlive it. The call
// is collective over the world. It adds this rank's reductions to `seen`.
std::unique_ptr<comm::Communicator> make_faulty(comm::Communicator& world,
                                                const FaultOptions& options,
                                                SeenReductions& seen);

}  // namespace dure
