#include "dure/report/range.h"

#include <cmath>

#include <gtest/gtest.h>

namespace dure::report {
namespace {

// A loss that falls from 11 towards 3, as losses do.
std::vector<double> falling(int steps) {
  std::vector<double> values;
  for (int step = 0; step < steps; ++step) {
    values.push_back(3 + 8 * std::exp(-4.0 * step / steps));
  }
  return values;
}

TEST(UsualRange, LeavesOutASpikeAndNothingElse) {
  for (const int steps : {8, 20, 100, 5000}) {
    SCOPED_TRACE(steps);
    std::vector<double> values = falling(steps);
    const Range whole = {.low = values.back(), .high = values.front()};
    EXPECT_EQ(usual_range(values), whole);
    values[static_cast<std::size_t>(steps) / 2] = 1e4;
    EXPECT_LE(usual_range(values).high, whole.high);
    EXPECT_EQ(usual_range(values).low, whole.low);
  }
}

TEST(UsualRange, IsOfAllValuesWhereThereAreFew) {
  EXPECT_EQ(usual_range({5, 1e4, 3}), (Range{.low = 3, .high = 1e4}));
  EXPECT_TRUE(usual_range(std::vector<double>{}).empty());
}

// The margin is three times a hundredth of the value.
TEST(UsualRange, OfOneValueIsThatValue) {
  std::vector<double> values(100, 4);
  EXPECT_EQ(usual_range(values), (Range{.low = 4, .high = 4}));
  values[3] = 4.1;
  EXPECT_EQ(usual_range(values), (Range{.low = 4, .high = 4.1}));
  values[4] = 4.2;
  EXPECT_EQ(usual_range(values), (Range{.low = 4, .high = 4.1}));
}

TEST(SharedRange, HasRoomForAFewValuesMore) {
  const std::vector<double> values = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(shared_range({values, {12, 20}}), (Range{.low = 1, .high = 20}));
  EXPECT_EQ(shared_range({values, {12, 40}}), (Range{.low = 1, .high = 9}));
  EXPECT_EQ(shared_range({{12, 1e9}, {}}), (Range{.low = 12, .high = 1e9}));
}

}  // namespace
}  // namespace dure::report
