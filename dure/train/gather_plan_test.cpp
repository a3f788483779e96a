#include "dure/train/gather_plan.h"

#include <gmock/gmock.h>
#include <random>

#include <gtest/gtest.h>

namespace dure::train {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Held = std::vector<std::vector<Stretch>>;

TEST(GatherPlan, WhatRankZeroHasNobodySends) {
  const Held held(4, {{0, 100}});
  EXPECT_THAT(plan_gather(held), ElementsAre(Given{{0, 100}, 0}));
}

TEST(GatherPlan, EachPartComesFromItsLowestHolder) {
  const Held held = {
      {{40, 50}}, {{0, 20}, {60, 80}}, {{0, 20}, {50, 60}}, {{10, 70}}};
  EXPECT_THAT(plan_gather(held),
              ElementsAre(Given{{0, 20}, 1},
                          Given{{20, 40}, 3},
                          Given{{40, 50}, 0},
                          Given{{50, 60}, 2},
                          Given{{60, 80}, 1}));
}

TEST(GatherPlan, NamesTheFirstElementThatIsMissing) {
  const std::vector<Given> plan = {{{0, 5}, 0}, {{7, 9}, 1}};
  EXPECT_EQ(first_missing(plan, 9), 5);
  EXPECT_EQ(first_missing(plan, 5), std::nullopt);
  EXPECT_EQ(first_missing({}, 1), 0);
  EXPECT_EQ(first_missing({}, 0), std::nullopt);
}

TEST(GatherPlan, IsCutToWhatIsWanted) {
  const std::vector<Given> plan = {{{0, 5}, 0}, {{5, 9}, 1}, {{9, 12}, 0}};
  EXPECT_THAT(
      givers_of(plan, {3, 10}),
      ElementsAre(Given{{3, 5}, 0}, Given{{5, 9}, 1}, Given{{9, 10}, 0}));
  EXPECT_THAT(givers_of(plan, {5, 6}), ElementsAre(Given{{5, 6}, 1}));
  EXPECT_THAT(givers_of(plan, {12, 13}), IsEmpty());
}

// Any holdings, element by element: each is given once, by its lowest holder,
// out of one stretch of his.
TEST(GatherPlan, HoldsForHoldingsAtRandom) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    constexpr std::int64_t kElements = 24;
    Held held(1 + random() % 5);
    std::vector<int> lowest(kElements, -1);
    for (std::size_t rank = 0; rank < held.size(); ++rank) {
      for (std::int64_t at = 0; at < kElements;) {
        const auto last =
            std::min<std::int64_t>(kElements, at + 1 + random() % 9);
        if (random() % 2 == 0) {
          held[rank].push_back({at, last});
          for (std::int64_t i = at; i < last; ++i) {
            int& holder = lowest[static_cast<std::size_t>(i)];
            holder = holder < 0 ? static_cast<int>(rank) : holder;
          }
        }
        at = last;
      }
    }
    std::vector<int> given(kElements, -1);
    std::int64_t end = 0;
    for (const Given& g : plan_gather(held)) {
      ASSERT_GE(g.stretch.first, end);
      ASSERT_GT(g.stretch.last, g.stretch.first);
      end = g.stretch.last;
      for (std::int64_t i = g.stretch.first; i < end; ++i) {
        given[static_cast<std::size_t>(i)] = g.rank;
      }
      const auto& his = held[static_cast<std::size_t>(g.rank)];
      ASSERT_TRUE(std::any_of(his.begin(), his.end(), [&](const Stretch& s) {
        return common(s, g.stretch) == g.stretch;
      }));
    }
    ASSERT_EQ(given, lowest);
  }
}

}  // namespace
}  // namespace dure::train
