// One axis of a line chart: from values to places in the plot.
#pragma once

#include <cstdint>

#include "dure/report/line_chart.h"
#include "dure/report/range.h"

namespace dure::report {

enum class Scale : std::uint8_t { kLinear, kLog };

// Sums and differences of what is drawn stay finite.
inline constexpr double kLargest = 1e300;

// Whether there is a place for it, be it at the edge.
bool has_place(Scale scale, double y);

// What the chart's y axis shows; empty where there is nothing to draw.
Range y_range(const LineChart& chart, Scale scale);
Range x_range(const LineChart& chart);

struct Axes {
  Scale scale = Scale::kLinear;
  Range x = {};  // not empty
  Range y = {};

  // In the coordinates of the plot (frame.h): the x there, and the y, which
  // counts from above. What is outside is at the edge.
  double at_x(double value) const;
  double at_y(double value) const;
};

}  // namespace dure::report
