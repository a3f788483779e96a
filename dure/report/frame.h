// The frame around a plot. Its axes' marks are HTML, so all text on a page has
// the page's size, however wide the plot is.
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
  std::string title = {};  // for readers who can't see it
  double pixels = 200;     // the plot's height
  struct Marks {
    std::string style = {};  // a class whose choice shows them
    std::vector<AxisMark> marks = {};
  };
  std::vector<Marks> y = {};  // drawn over one another
  std::vector<AxisMark> x = {};
  std::string x_name = {};
  std::string svg = {};   // the contents of <svg>
  std::string over = {};  // HTML over the plot, see edge_mark()
};
std::string to_html(const Frame& frame);

enum class Edge { kTop, kBottom };

// A text at an edge of the plot, with `more` under the mouse.
std::string edge_mark(Edge edge,
                      double at,
                      const std::string& text,
                      const std::string& more);

}  // namespace dure::report
