#include "dure/train/gather_plan.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace dure::train {
namespace {

// What is given already: stretches that do not overlap, by their first element.
class Plan {
 public:
  // Gives what nobody has given yet of `held`.
  void give(const Stretch& held, int rank) {
    auto next = given_.lower_bound(held.first);
    std::int64_t at = held.first;
    if (next != given_.begin()) {
      at = std::max(at, std::prev(next)->second.stretch.last);
    }
    while (at < held.last) {
      const std::int64_t end =
          next == given_.end()
              ? held.last
              : std::min(held.last, next->second.stretch.first);
      if (at < end) {
        given_.emplace_hint(next, at, Given{{at, end}, rank});
      }
      if (next == given_.end()) {
        break;
      }
      at = std::max(at, next->second.stretch.last);
      ++next;
    }
  }

  std::vector<Given> in_order() const {
    std::vector<Given> all;
    all.reserve(given_.size());
    for (const auto& [first, given] : given_) {
      all.push_back(given);
    }
    return all;
  }

 private:
  std::map<std::int64_t, Given> given_;
};

}  // namespace

Stretch common(const Stretch& a, const Stretch& b) {
  return {std::max(a.first, b.first), std::min(a.last, b.last)};
}

std::vector<Given> plan_gather(std::span<const std::vector<Stretch>> held) {
  Plan plan;
  for (std::size_t rank = 0; rank < held.size(); ++rank) {
    for (const Stretch& stretch : held[rank]) {
      plan.give(stretch, static_cast<int>(rank));
    }
  }
  return plan.in_order();
}

std::optional<std::int64_t> first_missing(std::span<const Given> plan,
                                          std::int64_t elements) {
  std::int64_t at = 0;
  for (const Given& given : plan) {
    if (given.stretch.first > at) {
      break;
    }
    at = given.stretch.last;
  }
  return at < elements ? std::optional(at) : std::nullopt;
}

std::vector<Given> givers_of(std::span<const Given> plan,
                             const Stretch& wanted) {
  std::vector<Given> some;
  auto given =
      std::partition_point(plan.begin(), plan.end(), [&](const Given& g) {
        return g.stretch.last <= wanted.first;
      });
  for (; given != plan.end() && given->stretch.first < wanted.last; ++given) {
    some.push_back({common(given->stretch, wanted), given->rank});
  }
  return some;
}

}  // namespace dure::train
