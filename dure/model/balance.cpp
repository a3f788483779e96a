#include "dure/model/balance.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <limits>
#include <utility>

namespace dure::model {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// Sums and costs of ranges [first, last) of a problem's items.
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
  // The slower of a range and of the cut in front of it.
  double slowest(std::size_t first, std::size_t last) const {
    const bool cut = first > 0 && !links_.empty();
    return cut ? std::max(load(first, last), links_[first - 1])
               : load(first, last);
  }

 private:
  const std::vector<double>& links_;
  std::vector<double> sums_;
};

// The least cost of dividing all items into so many ranges, and the cuts.
template <typename Cost>
class Programme {
 public:
  struct Rule {
    Cost none;   // of no range
    Cost never;  // more than any
    // The cost of the ranges before one, joined with that range's.
    std::function<Cost(const Cost& front, std::size_t first, std::size_t last)>
        joined;
    // A lower bound of joined(), for this load.
    std::function<Cost(double load)> least;
  };

  Programme(const Stretches& all, int parts, Rule rule)
      : all_(all), parts_(static_cast<std::size_t>(parts)), rule_(rule) {
    best_.assign(all.size() + 1, rule_.never);
    best_[0] = rule_.none;
    while (begins_.size() < parts_) {
      add_part();
    }
  }

  Cost cost() const { return best_[all_.size()]; }

  std::vector<std::int64_t> counts() const {
    std::vector<std::int64_t> counts(parts_);
    std::size_t last = all_.size();
    for (std::size_t m = parts_; m-- > 0;) {
      const std::size_t first = begins_[m][last];
      counts[m] = static_cast<std::int64_t>(last - first);
      last = first;
    }
    return counts;
  }

 private:
  void add_part() {
    const std::size_t before = begins_.size();
    const std::size_t most = all_.size() - (parts_ - before - 1);
    std::vector<Cost> next(all_.size() + 1, rule_.never);
    std::vector<std::size_t> begins(all_.size() + 1, before);
    for (std::size_t last = before + 1; last <= most; ++last) {
      for (std::size_t first = last; first-- > before;) {
        if (!(rule_.least(all_.load(first, last)) < next[last])) {
          break;  // longer ranges only cost more
        }
        const Cost cost = rule_.joined(best_[first], first, last);
        if (cost < next[last]) {
          next[last] = cost;
          begins[last] = first;
        }
      }
    }
    best_ = std::move(next);
    begins_.push_back(std::move(begins));
  }

  const Stretches& all_;
  std::size_t parts_;
  Rule rule_;
  std::vector<Cost> best_;                        // by items, of the last m
  std::vector<std::vector<std::size_t>> begins_;  // by part, of its items' end
};

// Sums of the squares of loads, then of counts.
using Squares = std::pair<double, double>;

double slowest_of_best(const Stretches& all, int parts) {
  return Programme<double>(
             all,
             parts,
             {.none = 0,
              .never = kNever,
              .joined =
                  [&](double front, std::size_t first, std::size_t last) {
                    return std::max(front, all.slowest(first, last));
                  },
              .least = [](double load) { return load; }})
      .cost();
}

}  // namespace

std::vector<std::int64_t> balance(const BalanceProblem& problem, int parts) {
  const Stretches all(problem);
  assert(parts >= 1 && static_cast<std::size_t>(parts) <= all.size());
  const double slowest = slowest_of_best(all, parts);
  const Squares never{kNever, kNever};
  const auto joined =
      [&](const Squares& front, std::size_t first, std::size_t last) {
        const double load = all.load(first, last);
        const auto count = static_cast<double>(last - first);
        return all.slowest(first, last) <= slowest
                   ? Squares{front.first + load * load,
                             front.second + count * count}
                   : never;
      };
  return Programme<Squares>(all,
                            parts,
                            {.none = {0, 0},
                             .never = never,
                             .joined = joined,
                             .least =
                                 [](double load) {
                                   return Squares{load * load, 0};
                                 }})
      .counts();
}

}  // namespace dure::model
