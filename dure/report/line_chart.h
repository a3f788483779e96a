// Lines over a common axis, as SVG.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dure/report/markup.h"
#include "dure/report/thin.h"

namespace dure::report {

enum class Scale : std::uint8_t { kLinear, kLog };
enum class Floor : std::uint8_t { kData, kZero };  // where linear axes begin
enum class Mark : std::uint8_t { kLine, kDots };

struct Line {
  std::string name = {};
  std::vector<Point> points =
      {};  // ascending x; y that is not a number is a gap
  Mark mark = Mark::kLine;
};

struct LineChart {
  std::string title = {};  // what a reader who can't see it is told
  std::string x_name = "step";
  std::vector<Line> lines = {};
  Scale scale = Scale::kLinear;  // of y; kLog leaves out 0 and below
  Floor floor = Floor::kData;
};

// At most kMostPoints of a line are drawn (thin.h). Stretches of x have the
// values as a title, which a browser shows under the mouse.
inline constexpr std::size_t kMostPoints = 2000;
std::string to_svg(const LineChart& chart);

// The values of at most `most` evenly chosen x of the first line; the other
// lines' at the same x.
Table table_of(const LineChart& chart, std::size_t most);

}  // namespace dure::report
