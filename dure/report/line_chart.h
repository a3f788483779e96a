// Lines over a common axis, as HTML with a stretched SVG inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dure/report/markup.h"
#include "dure/report/thin.h"

namespace dure::report {

// The scale of y; a value of 0 or below has no place on a logarithmic one.
// kBoth draws two, for a page whose reader chooses: see choices.h.
enum class Scales : std::uint8_t { kLinear, kLog, kBoth };
enum class Floor : std::uint8_t { kData, kZero };   // where linear axes begin
enum class Limits : std::uint8_t { kAll, kUsual };  // see range.h
enum class Mark : std::uint8_t { kLine, kDots };
enum class XValues : std::uint8_t { kWhole, kAny };  // where x has marks
// The marks of a logarithmic y: "1 k", or "2^10".
enum class YMarks : std::uint8_t { kNumbers, kPowersOfTwo };

struct Line {
  std::string name = {};
  std::vector<Point> points =
      {};  // ascending x; y that is not a number is a gap
  // The points smoothed by each offered choice; the line is pale beside them.
  std::vector<std::vector<Point>> smoothed = {};
  Mark mark = Mark::kLine;
  std::size_t series = 0;  // its colour
};

struct LineChart {
  std::string title = {};  // for readers who can't see it
  std::string x_name = "step";
  std::vector<Line> lines = {};
  Scales scales = Scales::kLinear;
  Floor floor = Floor::kData;
  Limits limits = Limits::kAll;
  XValues x_values = XValues::kWhole;
  YMarks y_marks = YMarks::kNumbers;
};

// At most kMostPoints of a line are drawn (thin.h). Values beyond the limits of
// the axis are drawn at its edge, with a mark that gives them; values that are
// not numbers get a mark of their own. Stretches of x have the values as a
// title, which a browser shows under the mouse.
inline constexpr std::size_t kMostPoints = 2000;
std::string to_html(const LineChart& chart);

// The values of the first line at no more than `most` evenly chosen x, and
// those of the other lines at the same x.
Table table_of(const LineChart& chart, std::size_t most);

}  // namespace dure::report
