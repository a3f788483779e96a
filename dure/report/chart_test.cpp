#include <fmt/core.h>
#include <gmock/gmock.h>
#include <limits>

#include <gtest/gtest.h>

#include "dure/report/bar_chart.h"
#include "dure/report/histogram_chart.h"
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

// A loss that falls slowly, from 10 to 9.01.
std::vector<Point> slope() {
  std::vector<Point> points;
  for (int i = 0; i < 100; ++i) {
    points.push_back({.x = static_cast<double>(i), .y = 10 - 0.01 * i});
  }
  return points;
}

// The plot goes from 0 to 1000, and y counts from above (frame.h).
TEST(LineChart, PutsValuesWhereTheAxesSay) {
  LineChart chart = chart_of({{0, 0}, {5, 50}, {10, 100}});
  chart.floor = Floor::kZero;
  const std::string html = to_html(chart);
  EXPECT_EQ(WellFormed(html).error(), "");
  // There is 3 % of room above the highest value: 100 is at 1000 (1 - 1 /
  // 1.03).
  EXPECT_THAT(html, HasSubstr("d=\"M0.0 1000.0h0L500.0 514.6L1000.0 29.1\""));
  EXPECT_THAT(html, HasSubstr("<title>step 5\na&lt;b: 50</title>"));
  EXPECT_THAT(html, HasSubstr("<span style=\"top:100.00%\">0</span>"));
  EXPECT_THAT(html, HasSubstr("<span style=\"top:2.91%\">100</span>"));
  EXPECT_THAT(html, HasSubstr("style=\"left:20.00%\">2</span>"));
}

TEST(LineChart, TakesLogarithms) {
  LineChart chart = chart_of({{0, 0.01}, {1, 1}, {2, 0}, {3, 100}});
  chart.scales = Scales::kLog;
  // 0 has no logarithm, so there is a gap. 1 is half way between 0.01 and 100.
  EXPECT_THAT(to_html(chart),
              HasSubstr("d=\"M0.0 1000.0h0L333.3 500.0M1000.0 0.0h0\""));
}

TEST(LineChart, MarksPowersOfTwo) {
  LineChart chart = chart_of({{0, 0x1p32}, {1, 0x1p28}, {2, 0x1p22}});
  chart.scales = Scales::kLog;
  chart.y_marks = YMarks::kPowersOfTwo;
  const std::string html = to_html(chart);
  EXPECT_EQ(WellFormed(html).error(), "");
  // Eleven powers get every other a mark; 2^22 is the lowest.
  EXPECT_THAT(html, HasSubstr("<span style=\"top:100.00%\">2^22</span>"));
  EXPECT_THAT(html, HasSubstr("<span style=\"top:0.00%\">2^32</span>"));
  EXPECT_THAT(html, HasSubstr(">2^24</span>"));
  EXPECT_THAT(html, Not(HasSubstr(">2^23</span>")));
  // 2^28 is six tenths of the way up.
  EXPECT_THAT(html, HasSubstr("M0.0 0.0h0L500.0 400.0L1000.0 1000.0"));
}

TEST(LineChart, HasBothScalesToChooseFrom) {
  LineChart chart = chart_of({{0, 0.01}, {1, 1}, {3, 100}});
  chart.scales = Scales::kBoth;
  const std::string html = to_html(chart);
  EXPECT_EQ(WellFormed(html).error(), "");
  for (const char* scale : {"lin", "log"}) {
    EXPECT_EQ(count(html, fmt::format("<g class=\"{}\">", scale)), 1);
    EXPECT_EQ(count(html, fmt::format("<div class=\"set {}\">", scale)), 1);
    EXPECT_EQ(count(html, fmt::format("<div class=\"over {}\">", scale)), 1);
  }
  EXPECT_EQ(count(html, "<path class=\"l s0\""), 2);
}

TEST(LineChart, BreaksLinesAtGapsAndMarksThem) {
  const std::string html =
      to_html(chart_of({{0, 1}, {1, kNan}, {2, 2}, {3, 1}}));
  EXPECT_THAT(html, HasSubstr("h0M"));
  EXPECT_THAT(html, HasSubstr("title=\"step 1, a&lt;b: not finite\">×</span>"));
}

// The curve keeps its place to a pixel of a thousand; the spike is at the edge,
// with its value.
TEST(LineChart, IsNotFlattenedByASpike) {
  for (const double spike : {1e4, 1e290, -50.0}) {
    SCOPED_TRACE(spike);
    std::vector<Point> points = slope();
    points[40].y = spike;
    LineChart chart = chart_of(points);
    EXPECT_THAT(to_html(chart), Not(HasSubstr("class=\"mark")));
    chart.limits = Limits::kUsual;
    const std::string html = to_html(chart);
    EXPECT_EQ(WellFormed(html).error(), "");
    EXPECT_THAT(html, HasSubstr("L10.1 38.9L"));
    EXPECT_THAT(html, HasSubstr("L989.9 990.2L1000.0 1000.0\""));
    EXPECT_THAT(html, HasSubstr(spike > 0 ? "L404.0 0.0L" : "L404.0 1000.0L"));
    EXPECT_EQ(count(html, "class=\"mark"), 1);
    EXPECT_THAT(html, HasSubstr("title=\"step 40, a&lt;b: "));
  }
}

TEST(LineChart, SaysTheFurthestOfNeighboursBeyondItsLimits) {
  std::vector<Point> points = slope();
  points[40].y = 300;
  points[41].y = 5e4;
  points[95].y = 70;
  LineChart chart = chart_of(points);
  chart.limits = Limits::kUsual;
  const std::string html = to_html(chart);
  EXPECT_EQ(count(html, "class=\"mark"), 2);
  EXPECT_THAT(html, HasSubstr("▲ 50 k +1</span>"));
  EXPECT_THAT(html, HasSubstr("▲ 70</span>"));
}

TEST(LineChart, DrawsSmoothedCurvesOverAPaleOne) {
  LineChart chart = chart_of({{0, 1}, {1, 3}});
  chart.lines[0].smoothed = {{{0, 1}, {1, 2}}, {{0, 1}, {1, 1.5}}};
  chart.lines[0].series = 9;
  const std::string html = to_html(chart);
  EXPECT_EQ(count(html, "<path class=\"l raw s1\""), 1);
  EXPECT_EQ(count(html, "<path class=\"l k1 s1\""), 1);
  EXPECT_EQ(count(html, "<path class=\"l k2 s1\""), 1);
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
      {{1, 5e-324}, {2, 1e-320}},
      {{1, most}},
      {{1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}, {7, 1}, {8, most}}};
  for (const auto& points : cases) {
    for (const Scales scales : {Scales::kLinear, Scales::kLog, Scales::kBoth}) {
      for (const Floor floor : {Floor::kData, Floor::kZero}) {
        for (const Limits limits : {Limits::kAll, Limits::kUsual}) {
          LineChart chart = chart_of(points);
          chart.scales = scales;
          chart.floor = floor;
          chart.limits = limits;
          const std::string html = to_html(chart);
          EXPECT_EQ(WellFormed(html).error(), "");
          EXPECT_THAT(html, Not(HasSubstr("nan")));
          EXPECT_THAT(html, Not(HasSubstr("inf")));
        }
      }
    }
  }
  EXPECT_THAT(to_html(chart_of({})), HasSubstr("no values yet"));
}

TEST(LineChart, StaysSmallWithManyPoints) {
  std::vector<Point> points;
  for (int i = 0; i < 100000; ++i) {
    points.push_back({.x = static_cast<double>(i), .y = i % 77 * 0.1});
  }
  const std::string html = to_html(chart_of(points));
  EXPECT_LE(count(html, "L"), kMostPoints + 1);  // and the title's
  EXPECT_LE(count(html, "<rect"), 201);
  EXPECT_LT(html.size(), 100000);
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

// The plot's 1000 is for the numbers -27 to -22, 200 each.
TEST(HistogramChart, DrawsSharesWhereTheNumbersAre) {
  const std::string html = to_html(HistogramChart{
      .title = "Sizes",
      .x_name = "exponent",
      .histograms =
          {{.name = "a<b", .first = -27, .counts = {1, 0, 3}},
           {.name = "c", .first = -26, .counts = {0, 1, 1, 2}, .series = 1}},
      .marks = {{.at = -24, .text = "2^-24", .more = "least & last"}}});
  EXPECT_EQ(WellFormed(html).error(), "");
  // The highest share is 3 of 4.
  EXPECT_THAT(html,
              HasSubstr("f b s0\" x=\"0.00\" y=\"666.7\" width=\"200.00\""
                        " height=\"333.3\"/>"));
  EXPECT_THAT(html,
              HasSubstr("f b s0\" x=\"400.00\" y=\"0.0\" width=\"200.00\""));
  EXPECT_THAT(html, HasSubstr("f b s1\" x=\"800.00\" y=\"333.3\""));
  EXPECT_THAT(html, HasSubstr("class=\"k\" d=\"M600.0 0V1000\"/>"));
  EXPECT_THAT(html, HasSubstr("title=\"least &amp; last\">2^-24</span>"));
  EXPECT_THAT(html,
              HasSubstr("<title>exponent -25\na&lt;b: 75.0 %\nc: 25.0 %"));
  EXPECT_EQ(count(html, "class=\"f b"), 5);
}

TEST(HistogramChart, LeavesOutTailsOfLessThanAThousandth) {
  Histogram histogram = {.name = "a", .first = -100, .counts = {1}};
  histogram.counts.resize(71);
  histogram.counts.push_back(5000);  // of -29
  histogram.counts.push_back(5000);
  histogram.counts.resize(100);
  histogram.counts.push_back(9);
  const std::string html = to_html(HistogramChart{
      .histograms = {histogram}, .marks = {{.at = -24, .text = "2^-24"}}});
  EXPECT_EQ(WellFormed(html).error(), "");
  EXPECT_EQ(count(html, "class=\"f b"), 2);
  // The numbers -29 to -24, of which the mark's is the last.
  EXPECT_EQ(count(html, "class=\"h\""), 6);
}

TEST(HistogramChart, IsDrawnWithoutValues) {
  for (const std::vector<Histogram>& histograms :
       {std::vector<Histogram>{},
        {{.name = "a", .first = 3}},
        {{.name = "a", .first = 3, .counts = {0, 0}}}}) {
    const std::string html =
        to_html(HistogramChart{.histograms = histograms, .marks = {{.at = 1}}});
    EXPECT_EQ(WellFormed(html).error(), "");
    EXPECT_THAT(html, HasSubstr("no values"));
    EXPECT_THAT(html, Not(HasSubstr("nan")));
  }
}

// Two bars share the plot's 1000.
TEST(BarChart, StacksParts) {
  const std::string html = to_html(
      BarChart{.title = "Peak",
               .parts = {"weights", "<rest>"},
               .bars = {{.name = "rank 0", .parts = {512, 512}},
                        {.name = "rank 1", .parts = {0, 256}, .mark = 128}},
               .mark_name = "at once"});
  EXPECT_EQ(WellFormed(html).error(), "");
  EXPECT_THAT(html, HasSubstr("s0\" x=\"0.00\" y=\"75.0\" width=\"500.00\""));
  EXPECT_THAT(html, HasSubstr("s1\" x=\"500.00\" y=\"75.0\" width=\"500.00\""));
  EXPECT_THAT(html, HasSubstr("s1\" x=\"0.00\" y=\"575.0\" width=\"250.00\""));
  EXPECT_THAT(html, HasSubstr("<title>rank 1: &lt;rest&gt; 256 B</title>"));
  EXPECT_THAT(html,
              HasSubstr("M125.0 525.0v450.0\"><title>rank 1: at once 128"));
  EXPECT_THAT(html, HasSubstr("<span style=\"top:75.00%\">rank 1</span>"));
  EXPECT_EQ(count(html, "<rect"), 3);
}

TEST(BarChart, IsDrawnWithoutBytes) {
  for (const std::vector<Bar>& bars :
       {std::vector<Bar>{{.name = "b", .parts = {0}}}, {}}) {
    const std::string html = to_html(BarChart{.parts = {"a"}, .bars = bars});
    EXPECT_EQ(WellFormed(html).error(), "");
    EXPECT_THAT(html, Not(HasSubstr("nan")));
    EXPECT_THAT(html, Not(HasSubstr("inf")));
  }
}

}  // namespace
}  // namespace dure::report
