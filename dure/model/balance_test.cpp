#include "dure/model/balance.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace dure::model {
namespace {

using Counts = std::vector<std::int64_t>;

// The slowest part or cut of a division.
double slowest(const BalanceProblem& problem, const Counts& counts) {
  double worst = 0;
  std::size_t first = 0;
  for (const std::int64_t count : counts) {
    const std::size_t last = first + static_cast<std::size_t>(count);
    double load = 0;
    for (std::size_t i = first; i < last; ++i) {
      load += problem.loads[i];
    }
    const bool cut = first > 0 && !problem.links.empty();
    worst = std::max({worst, load, cut ? problem.links[first - 1] : 0});
    first = last;
  }
  return worst;
}

// Every way to write `items` as a sum of `parts` counts.
std::vector<Counts> divisions(std::int64_t items, int parts) {
  if (parts == 1) {
    return {{items}};
  }
  std::vector<Counts> all;
  for (std::int64_t last = 1; last <= items - (parts - 1); ++last) {
    for (Counts& front : divisions(items - last, parts - 1)) {
      front.push_back(last);
      all.push_back(std::move(front));
    }
  }
  return all;
}

TEST(Balance, OfEqualLoadsIsEven) {
  EXPECT_EQ(balance({.loads = std::vector<double>(6, 1.0)}, 3),
            (Counts{2, 2, 2}));
}

TEST(Balance, KeepsALightEndWithItsNeighbour) {
  EXPECT_EQ(balance({.loads = {0, 1, 1, 1, 1, 0}}, 2), (Counts{3, 3}));
}

TEST(Balance, GivesAHeavyItemAPartOfItsOwn) {
  EXPECT_EQ(balance({.loads = {1, 1, 9, 1, 1}}, 3), (Counts{2, 1, 2}));
}

TEST(Balance, CutsWhereItIsCheapest) {
  // A cut in the middle would make parts of 2, but it costs 5.
  EXPECT_EQ(balance({.loads = {1, 1, 1, 1}, .links = {0, 5, 0, 0}}, 2),
            (Counts{3, 1}));
}

TEST(Balance, DividesEvenlyWhatCostsNothing) {
  EXPECT_EQ(balance({.loads = std::vector<double>(8, 0.0)}, 4),
            (Counts{2, 2, 2, 2}));
}

TEST(Balance, OfManyIsQuick) {
  const std::vector<std::int64_t> counts =
      balance({.loads = std::vector<double>(400, 1.0)}, 100);
  EXPECT_EQ(counts, Counts(100, 4));
}

// The loads are whole numbers, so sums in any order are equal.
TEST(Balance, IsTheBestOfAllDivisions) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 200; ++trial) {
    const auto items = static_cast<std::int64_t>(1 + random() % 9);
    const int parts =
        static_cast<int>(1 + random() % static_cast<unsigned>(items));
    BalanceProblem problem;
    for (std::int64_t i = 0; i < items; ++i) {
      problem.loads.push_back(static_cast<double>(random() % 10));
      problem.links.push_back(static_cast<double>(random() % 20));
    }
    double best = std::numeric_limits<double>::infinity();
    for (const Counts& counts : divisions(items, parts)) {
      best = std::min(best, slowest(problem, counts));
    }
    const Counts counts = balance(problem, parts);
    EXPECT_EQ(slowest(problem, counts), best) << "trial " << trial;
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}),
              items);
    EXPECT_GE(*std::min_element(counts.begin(), counts.end()), 1);
  }
}

}  // namespace
}  // namespace dure::model
