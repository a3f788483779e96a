#include <gmock/gmock.h>
#include <limits>

#include <gtest/gtest.h>

#include "dure/report/bar_chart.h"
#include "dure/report/line_chart.h"
#include "dure/report/well_formed.h"

namespace dure::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

LineChart chart_of(const std::vector<Point>& points) {
  return {.title = "Loss & more", .lines = {{.name = "a<b", .points = points}}};
}

// The plot is from x 64 to 704 and from y 220 up to 14 (line_chart.cpp).
TEST(LineChart, PutsValuesWhereTheAxesSay) {
  LineChart chart = chart_of({{0, 0}, {5, 50}, {10, 100}});
  chart.floor = Floor::kZero;
  const std::string svg = to_svg(chart);
  EXPECT_EQ(WellFormed(svg).error(), "");
  // Above the highest value is 3 % of room: 100 is at 220 - 206 / 1.03.
  EXPECT_THAT(svg, HasSubstr("d=\"M64.0 220.0h0L384.0 120.0L704.0 20.0\""));
  EXPECT_THAT(svg, HasSubstr("<title>step 5\na&lt;b: 50</title>"));
  EXPECT_THAT(svg, HasSubstr("y=\"224.0\" class=\"e\">0</text>"));
  EXPECT_THAT(svg, HasSubstr("y=\"24.0\" class=\"e\">100</text>"));
}

TEST(LineChart, TakesLogarithms) {
  LineChart chart = chart_of({{0, 0.01}, {1, 1}, {2, 0}, {3, 100}});
  chart.scale = Scale::kLog;
  const std::string svg = to_svg(chart);
  // 0 has no logarithm: a gap. 1 is half way between 0.01 and 100.
  EXPECT_THAT(svg, HasSubstr("d=\"M64.0 220.0h0L277.3 117.0M704.0 14.0h0\""));
}

TEST(LineChart, BreaksLinesAtGaps) {
  EXPECT_THAT(to_svg(chart_of({{0, 1}, {1, kNan}, {2, 2}, {3, 1}})),
              HasSubstr("h0M"));
}

TEST(LineChart, IsDrawnWhateverTheValues) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double most = std::numeric_limits<double>::max();
  const std::vector<std::vector<Point>> cases = {
      {},
      {{1, 5}},
      {{1, 0}},
      {{1, -3}, {2, -3}},
      {{1, kNan}},
      {{1, infinity}, {2, most}, {3, -most}, {4, 1}},
      {{1, 1e299}, {2, -1e299}},
      {{1, 5e-324}, {2, 1e-320}}};
  for (const auto& points : cases) {
    for (const Scale scale : {Scale::kLinear, Scale::kLog}) {
      for (const Floor floor : {Floor::kData, Floor::kZero}) {
        LineChart chart = chart_of(points);
        chart.scale = scale;
        chart.floor = floor;
        const std::string svg = to_svg(chart);
        EXPECT_EQ(WellFormed(svg).error(), "");
        EXPECT_THAT(svg, Not(HasSubstr("nan")));
        EXPECT_THAT(svg, Not(HasSubstr("inf")));
      }
    }
  }
  EXPECT_THAT(to_svg(chart_of({})), HasSubstr("no values yet"));
}

TEST(LineChart, StaysSmallWithManyPoints) {
  std::vector<Point> points;
  for (int i = 0; i < 100000; ++i) {
    points.push_back({.x = static_cast<double>(i), .y = i % 77 * 0.1});
  }
  const std::string svg = to_svg(chart_of(points));
  EXPECT_LE(count(svg, "L"), kMostPoints);
  EXPECT_LE(count(svg, "<rect"), 201);
  EXPECT_LT(svg.size(), 100000);
}

TEST(LineChart, HasATable) {
  LineChart chart = chart_of({{1, 5}, {2, kNan}, {3, 4}, {4, 3.5}});
  chart.lines.push_back(
      {.name = "validation", .points = {{4, 6}}, .mark = Mark::kDots});
  EXPECT_THAT(table_of(chart, 2).rows,
              ElementsAre(ElementsAre("1", "5", ""),
                          ElementsAre("3", "4", ""),
                          ElementsAre("4", "3.5", "6")));
  EXPECT_THAT(table_of(chart, 4).rows[1], ElementsAre("2", "not finite", ""));
}

// Bars are from x 110 to 696 (bar_chart.cpp).
TEST(BarChart, StacksParts) {
  const std::string svg = to_svg(
      BarChart{.title = "Peak",
               .parts = {"weights", "<rest>"},
               .bars = {{.name = "rank 0", .parts = {512, 512}},
                        {.name = "rank 1", .parts = {0, 256}, .mark = 128}},
               .mark_name = "at once"});
  EXPECT_EQ(WellFormed(svg).error(), "");
  EXPECT_THAT(svg, HasSubstr("s0\" x=\"110.00\" y=\"10.0\" width=\"293.00\""));
  EXPECT_THAT(svg, HasSubstr("s1\" x=\"403.00\" y=\"10.0\" width=\"293.00\""));
  EXPECT_THAT(svg, HasSubstr("s1\" x=\"110.00\" y=\"32.0\" width=\"146.50\""));
  EXPECT_THAT(svg, HasSubstr("<title>rank 1: &lt;rest&gt; 256 B</title>"));
  EXPECT_THAT(svg, HasSubstr("M183.2 30.0v19\"><title>rank 1: at once 128 B"));
  EXPECT_EQ(count(svg, "<rect"), 3);
}

TEST(BarChart, IsDrawnWithoutBytes) {
  const std::string svg =
      to_svg(BarChart{.parts = {"a"}, .bars = {{.name = "b", .parts = {0}}}});
  EXPECT_EQ(WellFormed(svg).error(), "");
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace dure::report
