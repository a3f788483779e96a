#include "dure/checkpoint/sharded/gather_plan.h"

#include <algorithm>

namespace dure::train {
namespace {

// Adds to `contributions` the elements of the gaps that a rank holds; returns
// the rest of the gaps.
std::vector<ElementRange> fill(const std::vector<ElementRange>& gaps,
                               const std::vector<ElementRange>& held,
                               int rank,
                               std::vector<Contribution>& contributions) {
  std::vector<ElementRange> left;
  auto next = held.begin();
  for (const ElementRange& gap : gaps) {
    std::int64_t at = gap.first;
    while (next != held.end() && next->last <= at) {
      ++next;
    }
    // The last of them may reach into the next gap.
    for (auto some = next; some != held.end() && some->first < gap.last;
         ++some) {
      const ElementRange part = common(*some, {at, gap.last});
      if (at < part.first) {
        left.push_back({at, part.first});
      }
      contributions.push_back({part, rank});
      at = part.last;
      next = some;
    }
    if (at < gap.last) {
      left.push_back({at, gap.last});
    }
  }
  return left;
}

}  // namespace

ElementRange common(const ElementRange& a, const ElementRange& b) {
  return {std::max(a.first, b.first), std::min(a.last, b.last)};
}

GatherPlan plan_gather(const ElementRange& wanted,
                       int ranks,
                       const HeldBy& held) {
  GatherPlan plan = {.contributions = {}, .missing = {wanted}};
  for (int rank = 0; rank < ranks && !plan.missing.empty(); ++rank) {
    plan.missing = fill(plan.missing, held(rank), rank, plan.contributions);
  }
  std::sort(plan.contributions.begin(),
            plan.contributions.end(),
            [](const auto& a, const auto& b) {
              return a.range.first < b.range.first;
            });
  return plan;
}

}  // namespace dure::train
