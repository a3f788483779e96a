// A plan of who sends what when ranks hold parts of a row of elements and one
// of them needs all.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace dure::train {

struct ElementRange {
  std::int64_t first = 0;  // elements [first, last)
  std::int64_t last = 0;
  bool operator==(const ElementRange&) const = default;
};

// The common elements of both; empty (first >= last) if there are none.
ElementRange common(const ElementRange& a, const ElementRange& b);

struct Contribution {
  ElementRange range;
  int rank = 0;
  bool operator==(const Contribution&) const = default;
};

struct GatherPlan {
  std::vector<Contribution> contributions;  // in the order of the elements
  std::vector<ElementRange> missing;        // elements that no rank has
  bool operator==(const GatherPlan&) const = default;
};

// The elements that a rank has: stretches without overlaps, ascending. Some may
// lie outside the wanted ones.
using HeldBy = std::function<std::vector<ElementRange>(int rank)>;

// Each wanted element that some rank has is given once, by the lowest rank that
// holds it, so rank 0 need not receive what it has. Each contribution lies
// within one that is held. Ranks are asked from the lowest on, until all is
// given.
GatherPlan plan_gather(const ElementRange& wanted,
                       int ranks,
                       const HeldBy& held);

}  // namespace dure::train
