#include "dure/report/smooth.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace dure::report {
namespace {

constexpr Range kWide = {.low = -1e9, .high = 1e9};

TEST(Smooth, CountsWhatIsAHalfLifeBackHalfAsMuch) {
  const auto curve = smooth({{0, 8}, {10, 2}, {30, 2}}, 10, kWide);
  EXPECT_DOUBLE_EQ(curve[0].y, 8);
  EXPECT_DOUBLE_EQ(curve[1].y, (2 + 8 * 0.5) / 1.5);
  EXPECT_DOUBLE_EQ(curve[2].y, (2 + 2 * 0.25 + 8 * 0.125) / 1.375);
  EXPECT_EQ(curve[2].x, 30);
}

TEST(Smooth, KeepsAConstantWhateverTheSpacing) {
  std::vector<Point> points;
  for (int i = 0; i < 1000; ++i) {
    points.push_back({.x = i * 0.1 * i, .y = 3});
  }
  for (const Point& point : smooth(points, 7, kWide)) {
    EXPECT_NEAR(point.y, 3, 1e-12);
  }
}

TEST(Smooth, TakesASpikeAsItsLimitAndNoNumberAsNothing) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const Range limits = {.low = 1, .high = 5};
  const auto spike = smooth({{0, 3}, {1, 1e4}}, 1, limits);
  EXPECT_DOUBLE_EQ(spike[1].y, (5 + 1.5) / 1.5);
  const auto gap =
      smooth({{0, nan}, {1, 3}, {2, nan}, {3, infinity}}, 1, limits);
  EXPECT_TRUE(std::isnan(gap[0].y));
  EXPECT_DOUBLE_EQ(gap[1].y, 3);
  EXPECT_DOUBLE_EQ(gap[2].y, 3);
  EXPECT_DOUBLE_EQ(gap[3].y, (5 + 0.75) / 1.25);
}

TEST(Smooth, OfNothingIsNothing) {
  EXPECT_TRUE(smooth({}, 1, Range()).empty());
}

}  // namespace
}  // namespace dure::report
