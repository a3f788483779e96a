// Histograms over whole numbers, drawn over one another, as HTML with a
// stretched SVG inside.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace dure::report {

struct Histogram {
  std::string name = {};
  int first = 0;                    // the number that counts[0] is of
  std::vector<double> counts = {};  // 0 or more
  std::size_t series = 0;           // its colour
};

// An upright line where a number begins, with a text above it and another under
// the mouse.
struct NumberMark {
  int at = 0;
  std::string text = {};
  std::string more = {};
};

struct HistogramChart {
  std::string title = {};  // for readers who can't see it
  std::string x_name = {};
  std::vector<Histogram> histograms = {};
  std::vector<NumberMark> marks = {};
};

// Bars are shares of their own histogram. A mark and its neighbours are always
// drawn; of each histogram, the numbers at either end that have less than a
// thousandth of it together are not. Every number has the shares as a title,
// which a browser shows under the mouse.
std::string to_html(const HistogramChart& chart);

}  // namespace dure::report
