#include "dure/model/balance.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <limits>
#include <utility>

namespace dure::model {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// Sums and costs of stretches [first, last) of a problem's items.
class Stretches {
 public:
  explicit Stretches(const BalanceProblem& problem)
      : links_(problem.links), sums_(problem.loads.size() + 1) {
    for (std::size_t i = 0; i < problem.loads.size(); ++i) {
      sums_[i + 1] = sums_[i] + problem.loads[i];
    }
  }

  std::size_t size() const { return sums_.size() - 1; }
  double load(std::size_t first, std::size_t last) const {
    return sums_[last] - sums_[first];
  }
  // The slower of a stretch and of the cut in front of it.
  double slowest(std::size_t first, std::size_t last) const {
    const bool cut = first > 0 && !links_.empty();
    return cut ? std::max(load(first, last), links_[first - 1])
               : load(first, last);
  }

 private:
  const std::vector<double>& links_;
  std::vector<double> sums_;
};

// The least cost of dividing all items into so many stretches, which joined()
// makes of those in front and of the last; and where the cuts are.
template <typename Cost>
class Programme {
 public:
  // The cost of stretches that end where one begins, and of that one.
  using Joined =
      std::function<Cost(const Cost& front, std::size_t first, std::size_t j)>;

  Programme(std::size_t items, int parts, Cost none, Cost never, Joined joined)
      : items_(items), never_(never), joined_(std::move(joined)) {
    best_.assign(items + 1, never);
    best_[0] = none;
    for (int m = 0; m < parts; ++m) {
      add_part();
    }
  }

  Cost cost() const { return best_[items_]; }

  std::vector<std::int64_t> counts() const {
    std::vector<std::int64_t> counts(begins_.size());
    std::size_t last = items_;
    for (std::size_t m = begins_.size(); m-- > 0;) {
      const std::size_t first = begins_[m][last];
      counts[m] = static_cast<std::int64_t>(last - first);
      last = first;
    }
    return counts;
  }

 private:
  void add_part() {
    std::vector<Cost> next(items_ + 1, never_);
    std::vector<std::size_t> begins(items_ + 1, 0);
    for (std::size_t last = begins_.size() + 1; last <= items_; ++last) {
      for (std::size_t first = last; first-- > begins_.size();) {
        const Cost cost = joined_(best_[first], first, last);
        if (cost < next[last]) {
          next[last] = cost;
          begins[last] = first;
        }
      }
    }
    best_ = std::move(next);
    begins_.push_back(std::move(begins));
  }

  std::size_t items_;
  Cost never_;
  Joined joined_;
  std::vector<Cost> best_;                        // by items, of the last m
  std::vector<std::vector<std::size_t>> begins_;  // by part, of its items' end
};

// Squares of loads, then of counts.
using Spread = std::pair<double, double>;

}  // namespace

std::vector<std::int64_t> balance(const BalanceProblem& problem, int parts) {
  const Stretches all(problem);
  assert(parts >= 1 && static_cast<std::size_t>(parts) <= all.size());
  const double slowest =
      Programme<double>(all.size(),
                        parts,
                        0.0,
                        kNever,
                        [&](double front, std::size_t first, std::size_t last) {
                          return std::max(front, all.slowest(first, last));
                        })
          .cost();
  const Spread never{kNever, kNever};
  return Programme<Spread>(
             all.size(),
             parts,
             Spread{0, 0},
             never,
             [&](const Spread& front, std::size_t first, std::size_t last) {
               const double load = all.load(first, last);
               const auto count = static_cast<double>(last - first);
               return all.slowest(first, last) <= slowest
                          ? Spread{front.first + load * load,
                                   front.second + count * count}
                          : never;
             })
      .counts();
}

}  // namespace dure::model
