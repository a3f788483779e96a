#include "dure/comm/measure.h"

#include <gtest/gtest.h>

namespace dure::comm {
namespace {

// The memory brings in 20 lines a second: a copy takes two for each line, an
// update in place one. So every collective's limit is its number of lines over
// 20.
TEST(Limit, CountsTheLinesThatACollectiveBringsIn) {
  constexpr MemoryRates kRates = {.copy = 10, .update = 20};
  const auto lines = [&](Kind kind, int ranks) {
    return 20 * limit_seconds(kind, ranks, 60, kRates) / 60;
  };
  for (const int N : {2, 3, 8}) {
    EXPECT_DOUBLE_EQ(lines(Kind::kAllReduce, N), N);  // in place
    EXPECT_DOUBLE_EQ(lines(Kind::kReduce, N), N + 1);
    EXPECT_DOUBLE_EQ(lines(Kind::kReduceScatter, N), N + 1);
    EXPECT_DOUBLE_EQ(lines(Kind::kAllGather, N), 1 + N);
    EXPECT_DOUBLE_EQ(lines(Kind::kBroadcast, N), 1 + (N - 1));
    EXPECT_DOUBLE_EQ(lines(Kind::kAllToAll, N), 2 * N);
    EXPECT_DOUBLE_EQ(lines(Kind::kSend, N), 2);
    EXPECT_DOUBLE_EQ(lines(Kind::kBarrier, N), 0);
  }
}

TEST(Measurement, HasTheBandwidthsOfNcclTests) {
  const Measurement row{.kind = Kind::kAllReduce,
                        .ranks = 4,
                        .bytes = 1000,
                        .seconds = 2,
                        .limit_seconds = 1};
  EXPECT_DOUBLE_EQ(row.algorithm_bandwidth(), 500);
  EXPECT_DOUBLE_EQ(row.bus_bandwidth(), 750);
  EXPECT_DOUBLE_EQ(row.share_of_limit(), 0.5);
}

}  // namespace
}  // namespace dure::comm
