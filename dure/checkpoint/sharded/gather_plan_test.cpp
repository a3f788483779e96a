#include "dure/checkpoint/sharded/gather_plan.h"

#include <gmock/gmock.h>
#include <random>

#include <gtest/gtest.h>

namespace dure::train {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Held = std::vector<std::vector<ElementRange>>;

GatherPlan plan_of(const Held& held, const ElementRange& wanted) {
  return plan_gather(wanted, static_cast<int>(held.size()), [&](int rank) {
    return held[rank];
  });
}

TEST(GatherPlan, WhatRankZeroHasNobodySends) {
  const Held held(4, {{0, 100}});
  EXPECT_EQ(plan_of(held, {0, 100}), (GatherPlan{{{{0, 100}, 0}}, {}}));
}

TEST(GatherPlan, EachPartComesFromItsLowestHolder) {
  const Held held = {
      {{40, 50}}, {{0, 20}, {60, 80}}, {{0, 20}, {50, 60}}, {{10, 70}}};
  const GatherPlan plan = plan_of(held, {0, 80});
  EXPECT_THAT(plan.contributions,
              ElementsAre(Contribution{{0, 20}, 1},
                          Contribution{{20, 40}, 3},
                          Contribution{{40, 50}, 0},
                          Contribution{{50, 60}, 2},
                          Contribution{{60, 80}, 1}));
  EXPECT_THAT(plan.missing, IsEmpty());
}

TEST(GatherPlan, SaysWhatIsMissing) {
  EXPECT_EQ(plan_of({{{0, 5}}, {{7, 9}}}, {0, 10}),
            (GatherPlan{{{{0, 5}, 0}, {{7, 9}, 1}}, {{5, 7}, {9, 10}}}));
  EXPECT_EQ(plan_of({}, {0, 1}), (GatherPlan{{}, {{0, 1}}}));
}

TEST(GatherPlan, IsOfWhatIsWantedAlone) {
  const Held held = {{{0, 5}, {9, 12}}, {{5, 9}}};
  EXPECT_THAT(plan_of(held, {3, 10}).contributions,
              ElementsAre(Contribution{{3, 5}, 0},
                          Contribution{{5, 9}, 1},
                          Contribution{{9, 10}, 0}));
  EXPECT_THAT(plan_of(held, {5, 6}).contributions,
              ElementsAre(Contribution{{5, 6}, 1}));
}

TEST(GatherPlan, AsksNobodyForWhatIsGivenAlready) {
  std::vector<int> asked;
  plan_gather({0, 10}, 1000, [&](int rank) {
    asked.push_back(rank);
    return std::vector<ElementRange>{{5 * rank, 5 * rank + 5}};
  });
  EXPECT_THAT(asked, ElementsAre(0, 1));
}

// Holdings are random, and checked element by element: each element is given
// once, by its lowest holder, from one of its stretches.
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
            int& holder = lowest[i];
            holder = holder < 0 ? static_cast<int>(rank) : holder;
          }
        }
        at = last;
      }
    }
    const ElementRange wanted = {
        static_cast<std::int64_t>(random() % 5),
        kElements - static_cast<std::int64_t>(random() % 5)};
    for (std::int64_t at = 0; at < kElements; ++at) {
      if (at < wanted.first || at >= wanted.last) {
        lowest[at] = -1;
      }
    }
    std::vector<int> givers(kElements, -1);
    std::int64_t end = wanted.first;
    std::int64_t count = 0;
    const GatherPlan plan = plan_of(held, wanted);
    for (const Contribution& g : plan.contributions) {
      ASSERT_GE(g.range.first, end);
      ASSERT_GT(g.range.last, g.range.first);
      end = g.range.last;
      count += end - g.range.first;
      for (std::int64_t i = g.range.first; i < end; ++i) {
        givers[i] = g.rank;
      }
      const auto& his = held[g.rank];
      ASSERT_TRUE(
          std::any_of(his.begin(), his.end(), [&](const ElementRange& s) {
            return common(s, g.range) == g.range;
          }));
    }
    ASSERT_EQ(givers, lowest);
    for (const ElementRange& hole : plan.missing) {
      count += hole.last - hole.first;
      ASSERT_LT(hole.first, hole.last);
      ASSERT_EQ(lowest[hole.first], -1);
      ASSERT_EQ(lowest[hole.last - 1], -1);
    }
    ASSERT_EQ(count, wanted.last - wanted.first);
  }
}

}  // namespace
}  // namespace dure::train
