// An axis of a line chart: maps values to places in the plot.
#pragma once

#include <cstdint>

#include "dure/report/line_chart.h"
#include "dure/report/range.h"

namespace dure::report {

enum class Scale : std::uint8_t { kLinear, kLog };

// A bound that keeps sums and differences of drawn values finite.
inline constexpr double kLargest = 1e300;

// Whether the value has a place on the axis, even at the edge.
bool has_place(Scale scale, double y);

// The range of the chart's y axis; empty if there is nothing to draw.
Range y_range(const LineChart& chart, Scale scale);
Range x_range(const LineChart& chart);

struct Axes {
  Scale scale = Scale::kLinear;
  Range x = {};  // not empty
  Range y = {};

  // Places in the plot's coordinates (frame.h); y counts from above. A value
  // outside is at the edge.
  double at_x(double value) const;
  double at_y(double value) const;
};

}  // namespace dure::report
