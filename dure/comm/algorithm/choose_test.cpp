#include "dure/comm/algorithm/choose.h"

#include <vector>

#include <gtest/gtest.h>

#include "dure/comm/algorithm/plan.h"
#include "dure/comm/sim/plan_cost.h"

namespace dure::comm {
namespace {

constexpr Kind kCollectives[] = {Kind::kBroadcast,
                                 Kind::kReduce,
                                 Kind::kAllReduce,
                                 Kind::kScatter,
                                 Kind::kGather,
                                 Kind::kAllGather,
                                 Kind::kReduceScatter,
                                 Kind::kAllToAll,
                                 Kind::kBarrier};
constexpr Algorithm kPlanned[] = {Algorithm::kRoot,
                                  Algorithm::kAllToAll,
                                  Algorithm::kRing,
                                  Algorithm::kChain,
                                  Algorithm::kHalvingDoubling,
                                  Algorithm::kTree};
constexpr Link kLink = {.latency_seconds = 1e-5, .bytes_per_second = 1e9};

// Compares the formulas with the plans themselves, round by round.
void expect_formula(Kind kind, Algorithm algorithm, int ranks) {
  const std::vector<int> one_node(static_cast<std::size_t>(ranks), 0);
  const SimNetwork network = {.ranks_per_node = ranks, .inside = kLink};
  const PlanCost cost(
      {.kind = kind, .algorithm = algorithm}, one_node, network);
  for (const double bytes : {0.0, 1e3, 1e6, 1e9}) {
    const double data = kind == Kind::kBarrier ? 0 : bytes;
    const double wanted = seconds_of(kind, algorithm, data, ranks, kLink);
    // The tolerance covers the rounding of thousands of double additions.
    EXPECT_NEAR(cost.seconds(data), wanted, 1e-9 * wanted)
        << name_of(kind) << " by " << name_of(algorithm) << " of " << ranks
        << " ranks, " << bytes << " bytes";
  }
}

TEST(SecondsOf, IsWhatThePlansTake) {
  for (const int ranks : {1, 2, 3, 4, 5, 7, 8, 16, 31, 64}) {
    for (const Kind kind : kCollectives) {
      for (const Algorithm algorithm : kPlanned) {
        const bool power_of_two = (ranks & (ranks - 1)) == 0;
        const bool uneven_blocks =
            algorithm == Algorithm::kHalvingDoubling && !power_of_two &&
            (kind == Kind::kAllGather || kind == Kind::kReduceScatter);
        if (has_plan(kind, algorithm, SumOrder::kFast) && !uneven_blocks) {
          expect_formula(kind, algorithm, ranks);
        }
      }
    }
  }
}

TEST(Choose, TakesFewMessagesForLittleAndARingForMuch) {
  const auto choice = [](double bytes, int ranks) {
    return choose(Kind::kAllReduce, bytes, ranks, SumOrder::kFast);
  };
  EXPECT_EQ(choose(Kind::kBroadcast, 8, 8, SumOrder::kFast), Algorithm::kTree);
  EXPECT_EQ(choice(8, 7), Algorithm::kHalvingDoubling);
  EXPECT_EQ(choice(1e6, 8), Algorithm::kHalvingDoubling);
  EXPECT_EQ(choice(1e9, 7), Algorithm::kRing);
  EXPECT_EQ(choice(1e9, 3), Algorithm::kRing);
}

TEST(Choose, KeepsTheOrderOfSums) {
  for (const int ranks : {2, 3, 8, 64, 1024}) {
    for (const double bytes : {8.0, 1e4, 1e6, 1e9}) {
      for (const Kind kind :
           {Kind::kReduce, Kind::kAllReduce, Kind::kReduceScatter}) {
        const Algorithm choice = choose(kind, bytes, ranks, SumOrder::kRanked);
        EXPECT_TRUE(has_plan(kind, choice, SumOrder::kRanked))
            << name_of(kind) << " by " << name_of(choice);
      }
    }
  }
  EXPECT_EQ(choose(Kind::kAllReduce, 1e9, 8, SumOrder::kRanked),
            Algorithm::kAllToAll);
}

TEST(Choose, NamesAPlanForEveryCollective) {
  for (const Kind kind : kCollectives) {
    for (const int ranks : {1, 2, 5, 1024}) {
      const Algorithm choice = choose(kind, 1e6, ranks, SumOrder::kFast);
      EXPECT_TRUE(has_plan(kind, choice, SumOrder::kFast)) << name_of(kind);
    }
  }
}

}  // namespace
}  // namespace dure::comm
