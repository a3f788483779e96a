#include "dure/report/thin.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace dure::report {
namespace {

std::vector<Point> waves(std::size_t count) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < count; ++i) {
    const auto x = static_cast<double>(i);
    points.push_back({.x = x, .y = std::sin(x)});
  }
  return points;
}

TEST(Thin, LeavesFewPointsAlone) {
  const std::vector<Point> points = waves(2000);
  EXPECT_EQ(thin(points, 2000), points);
  EXPECT_TRUE(thin({}, 10).empty());
}

TEST(Thin, KeepsPeaksGapsAndEnds) {
  for (const std::size_t count : {11, 2001, 100000}) {
    std::vector<Point> points = waves(count);
    points[count / 3].y = 50;
    points[count / 2].y = -50;
    points[count / 4].y = std::numeric_limits<double>::quiet_NaN();
    const std::size_t most = std::min<std::size_t>(count - 1, 2000);
    const std::vector<Point> few = thin(points, most);
    EXPECT_LE(few.size(), most);
    EXPECT_TRUE(std::is_sorted(
        few.begin(), few.end(), [](const Point& a, const Point& b) {
          return a.x < b.x;
        }));
    EXPECT_EQ(few.front(), points.front());
    EXPECT_EQ(few.back(), points.back());
    EXPECT_EQ(std::count(few.begin(), few.end(), points[count / 3]), 1);
    EXPECT_EQ(std::count(few.begin(), few.end(), points[count / 2]), 1);
    EXPECT_EQ(std::count_if(few.begin(),
                            few.end(),
                            [](const Point& p) { return std::isnan(p.y); }),
              1);
  }
}

}  // namespace
}  // namespace dure::report
