// Who gives what, where ranks hold parts of a row of elements and one of them
// wants all: a plan.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace dure::train {

struct Stretch {
  std::int64_t first = 0;  // elements [first, last)
  std::int64_t last = 0;
  bool operator==(const Stretch&) const = default;
};

// What both have; empty (first >= last) where they have nothing in common.
Stretch common(const Stretch& a, const Stretch& b);

struct Given {
  Stretch stretch;
  int rank = 0;
  bool operator==(const Given&) const = default;
};

struct GatherPlan {
  std::vector<Given> given;      // in the order of the elements
  std::vector<Stretch> missing;  // what nobody has
  bool operator==(const GatherPlan&) const = default;
};

// What a rank has: stretches without overlaps, ascending. Some may lie outside
// of what is wanted.
using HeldBy = std::function<std::vector<Stretch>(int rank)>;

// Each wanted element that some rank has is given once, by the lowest of its
// holders: so what rank 0 has, it need not receive. Each given stretch lies
// within one that is held. Asks ranks from the lowest on, until all is given.
GatherPlan plan_gather(const Stretch& wanted, int ranks, const HeldBy& held);

}  // namespace dure::train
