// What stands around a plot: its axes' marks, as HTML, so that all text on a
// page has the page's size, however wide the plot is.
#pragma once

#include <string>
#include <vector>

namespace dure::report {

// The plot's own coordinates, from its upper left corner. The browser stretches
// them to the room there is; lines keep their width.
inline constexpr double kPlotSide = 1000;

struct AxisMark {
  double at = 0;  // 0 to kPlotSide
  std::string text = {};
};

struct Frame {
  std::string title = {};  // what a reader who can't see it is told
  double pixels = 200;     // the plot's height
  struct Marks {
    std::string style = {};  // a class: shown where that is
    std::vector<AxisMark> marks = {};
  };
  std::vector<Marks> y = {};  // beside one another's places
  std::vector<AxisMark> x = {};
  std::string x_name = {};
  std::string svg = {};   // what is within <svg>
  std::string over = {};  // HTML over the plot, see edge_mark()
};
std::string to_html(const Frame& frame);

enum class Edge { kTop, kBottom };

// Text at an edge of the plot, with more of it under the mouse.
std::string edge_mark(Edge edge,
                      double at,
                      const std::string& text,
                      const std::string& more);

}  // namespace dure::report
