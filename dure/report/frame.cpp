#include "dure/report/frame.h"

#include <algorithm>
#include <fmt/format.h>

#include "dure/report/markup.h"

namespace dure::report {
namespace {

// The marks of an x axis for which a phone has room; if there are more, it
// shows every other.
constexpr std::size_t kMostNarrow = 3;

double percent(double at) {
  return 100 * at / kPlotSide;
}

// The class of a text. One whose middle is nearer to a side than `room` stays
// inside.
const char* alignment(double at, double room) {
  return at < room * kPlotSide         ? "first"
         : at > (1 - room) * kPlotSide ? "last"
                                       : "";
}

std::string y_marks(const std::vector<AxisMark>& marks) {
  std::string html;
  for (const AxisMark& mark : marks) {
    html += fmt::format("<span style=\"top:{:.2f}%\">{}</span>",
                        percent(mark.at),
                        escape(mark.text));
  }
  return html;
}

std::string x_marks(const std::vector<AxisMark>& marks) {
  std::string html;
  for (const AxisMark& mark : marks) {
    html += fmt::format("<span class=\"{}\" style=\"left:{:.2f}%\">{}</span>",
                        alignment(mark.at, 0.03),
                        percent(mark.at),
                        escape(mark.text));
  }
  return html;
}

// The width of the longest mark, in digits. Names may be too long for it.
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

}  // namespace

std::string to_html(const Frame& frame) {
  std::string html = fmt::format(
      "<div class=\"chart\" style=\"--y:{}ch\">\n<div class=\"ys\">",
      columns(frame.y));
  for (const Frame::Marks& set : frame.y) {
    html += fmt::format(
        "<div class=\"set {}\">{}</div>", set.style, y_marks(set.marks));
  }
  return html +
         fmt::format(
             "</div>\n<div class=\"plot\" style=\"height:{0}px\">"
             "<svg viewBox=\"0 0 {1} {1}\" preserveAspectRatio=\"none\" "
             "role=\"img\" aria-label=\"{2}\">\n{3}</svg>\n{4}</div>\n"
             "<div class=\"xs{5}\">{6}</div>\n<div class=\"name\">{7}</div>\n"
             "</div>\n",
             frame.pixels,
             kPlotSide,
             escape(frame.title),
             frame.svg,
             frame.over,
             frame.x.size() > kMostNarrow ? " many" : "",
             x_marks(frame.x),
             escape(frame.x_name));
}

std::string edge_mark(Edge edge,
                      double at,
                      const std::string& text,
                      const std::string& more) {
  return fmt::format(
      "<span class=\"mark {} {}\" style=\"left:{:.2f}%\" "
      "title=\"{}\">{}</span>",
      edge == Edge::kTop ? "top" : "bottom",
      alignment(at, 0.12),
      percent(at),
      escape(more),
      escape(text));
}

}  // namespace dure::report
