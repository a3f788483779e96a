// Stacked bars, one below the other, as HTML with a stretched SVG inside.
#pragma once

#include <string>
#include <vector>

namespace dure::report {

struct Bar {
  std::string name = {};
  std::vector<double> parts = {};  // 0 or more, one for each of BarChart::parts
  double mark = -1;                // a line across the bar; below 0: none
};

struct BarChart {
  std::string title = {};  // for readers who can't see it
  std::vector<std::string> parts = {};
  std::vector<Bar> bars = {};
  std::string mark_name = {};
};

// A chart of bytes. Every part has a title, which a browser shows under the
// mouse.
std::string to_html(const BarChart& chart);

}  // namespace dure::report
