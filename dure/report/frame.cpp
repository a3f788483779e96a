#include "dure/report/frame.h"

#include <algorithm>
#include <fmt/format.h>

#include "dure/report/markup.h"

namespace dure::report {
namespace {

double percent(double at) {
  return 100 * at / kPlotSide;
}

std::string marks(const std::vector<AxisMark>& marks, const char* side) {
  std::string html;
  for (const AxisMark& mark : marks) {
    html += fmt::format("<span style=\"{}:{:.2f}%\">{}</span>",
                        side,
                        percent(mark.at),
                        escape(mark.text));
  }
  return html;
}

// Of the longest mark, in the width of a digit. Names may be too long for it.
std::size_t columns(const std::vector<Frame::Marks>& sets) {
  constexpr std::size_t kMostColumns = 12;
  std::size_t longest = 1;
  for (const Frame::Marks& set : sets) {
    for (const AxisMark& mark : set.marks) {
      longest = std::max(longest, mark.text.size());
    }
  }
  return std::min(longest, kMostColumns);
}

// Texts at the sides stay inside.
const char* alignment(double at) {
  return at < 0.12 * kPlotSide   ? " first"
         : at > 0.88 * kPlotSide ? " last"
                                 : "";
}

}  // namespace

std::string to_html(const Frame& frame) {
  std::string html = fmt::format(
      "<div class=\"chart\" style=\"--y:{}ch\">\n<div class=\"ys\">",
      columns(frame.y));
  for (const Frame::Marks& set : frame.y) {
    html += fmt::format(
        "<div class=\"set {}\">{}</div>", set.style, marks(set.marks, "top"));
  }
  return html +
         fmt::format(
             "</div>\n<div class=\"plot\" style=\"height:{0}px\">"
             "<svg viewBox=\"0 0 {1} {1}\" preserveAspectRatio=\"none\" "
             "role=\"img\" aria-label=\"{2}\">\n{3}</svg>\n{4}</div>\n"
             "<div class=\"xs\">{5}</div>\n<div class=\"name\">{6}</div>\n"
             "</div>\n",
             frame.pixels,
             kPlotSide,
             escape(frame.title),
             frame.svg,
             frame.over,
             marks(frame.x, "left"),
             escape(frame.x_name));
}

std::string edge_mark(Edge edge,
                      double at,
                      const std::string& text,
                      const std::string& more) {
  return fmt::format(
      "<span class=\"mark {}{}\" style=\"left:{:.2f}%\" title=\"{}\">{}</span>",
      edge == Edge::kTop ? "top" : "bottom",
      alignment(at),
      percent(at),
      escape(more),
      escape(text));
}

}  // namespace dure::report
