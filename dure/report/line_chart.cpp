#include "dure/report/line_chart.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <utility>

#include "dure/report/axis.h"
#include "dure/report/edge_marks.h"
#include "dure/report/frame.h"
#include "dure/report/ticks.h"

namespace dure::report {
namespace {

constexpr int kMostTicks = 6;
constexpr std::size_t kHovers = 200;
constexpr std::size_t kMostSmoothed = 600;  // it has no peaks to lose

// The class by which the style sheet shows one of both scales.
const char* style_of(const LineChart& chart, Scale scale) {
  return chart.scales != Scales::kBoth ? ""
         : scale == Scale::kLog        ? "log"
                                       : "lin";
}

std::vector<Scale> scales_of(const LineChart& chart) {
  switch (chart.scales) {
    case Scales::kLinear:
      return {Scale::kLinear};
    case Scales::kLog:
      return {Scale::kLog};
    case Scales::kBoth:
      return {Scale::kLinear, Scale::kLog};
  }
  return {};
}

// The path of points. One between two gaps is a line of no length, with round
// ends.
std::string path_of(const Axes& axes, const std::vector<Point>& points) {
  std::string d;
  bool broken = true;
  for (const Point& point : points) {
    if (!has_place(axes.scale, point.y) || !std::isfinite(point.x)) {
      broken = true;
      continue;
    }
    d += fmt::format("{}{:.1f} {:.1f}{}",
                     broken ? 'M' : 'L',
                     axes.at_x(point.x),
                     axes.at_y(point.y),
                     broken ? "h0" : "");
    broken = false;
  }
  return d;
}

std::string dots_of(const Axes& axes, const std::vector<Point>& points) {
  std::string d;
  for (const Point& point : points) {
    if (has_place(axes.scale, point.y) && std::isfinite(point.x)) {
      d += fmt::format(
          "M{:.1f} {:.1f}h0", axes.at_x(point.x), axes.at_y(point.y));
    }
  }
  return d;
}

std::string path(const std::string& style,
                 const Line& line,
                 const std::string& d) {
  return fmt::format("<path class=\"{} {}\" d=\"{}\"/>\n",
                     style,
                     series_class(line.series),
                     d);
}

std::string drawn(const Axes& axes, const Line& line) {
  const std::vector<Point> points = thin(line.points, kMostPoints);
  if (line.mark == Mark::kDots) {
    return path("d", line, dots_of(axes, points));
  }
  std::string svg =
      path(line.smoothed.empty() ? "l" : "l raw", line, path_of(axes, points));
  for (std::size_t s = 0; s < line.smoothed.size(); ++s) {
    svg += path(fmt::format("l k{}", s + 1),
                line,
                path_of(axes, thin(line.smoothed[s], kMostSmoothed)));
  }
  return svg;
}

std::vector<AxisMark> power_marks(const Axes& axes) {
  std::vector<AxisMark> marks;
  for (const int power : powers_of_two(axes.y.low, axes.y.high, kMostTicks)) {
    marks.push_back({.at = axes.at_y(std::ldexp(1.0, power)),
                     .text = fmt::format("2^{}", power)});
  }
  return marks;
}

std::vector<AxisMark> y_marks(const LineChart& chart, const Axes& axes) {
  if (axes.scale == Scale::kLog && chart.y_marks == YMarks::kPowersOfTwo) {
    return power_marks(axes);
  }
  const auto values = axes.scale == Scale::kLog
                          ? log_ticks(axes.y.low, axes.y.high, kMostTicks)
                          : ticks(axes.y.low, axes.y.high, kMostTicks);
  std::vector<AxisMark> marks;
  for (const double y : values) {
    marks.push_back({.at = axes.at_y(y), .text = short_text(y)});
  }
  return marks;
}

std::vector<AxisMark> x_marks(const LineChart& chart, const Axes& axes) {
  std::vector<AxisMark> marks;
  for (const double x : ticks(axes.x.low, axes.x.high, kMostTicks)) {
    if (chart.x_values == XValues::kAny || x == std::floor(x)) {
      marks.push_back({.at = axes.at_x(x), .text = short_text(x)});
    }
  }
  return marks;
}

// Everything that one scale draws within the plot.
std::string layer(const LineChart& chart,
                  const Axes& axes,
                  const std::vector<AxisMark>& marks) {
  std::string svg = fmt::format("<g class=\"{}\">\n<path class=\"g\" d=\"",
                                style_of(chart, axes.scale));
  for (const AxisMark& mark : marks) {
    svg += fmt::format("M0 {:.1f}H{}", mark.at, kPlotSide);
  }
  svg += "\"/>\n";
  for (const Line& line : chart.lines) {
    svg += drawn(axes, line);
  }
  return svg + "</g>\n";
}

// Every drawn x with its values.
std::map<double, std::string> texts_of(const LineChart& chart) {
  std::map<double, std::string> found;
  for (const Line& line : chart.lines) {
    for (const Point& point : thin(line.points, kMostPoints)) {
      if (std::isfinite(point.y) && std::isfinite(point.x)) {
        found[point.x] +=
            fmt::format("\n{}: {:.6g}", escape(line.name), point.y);
      }
    }
  }
  return found;
}

std::string hovers(const LineChart& chart, const Axes& axes) {
  const auto all = texts_of(chart);
  const std::size_t stride = (all.size() + kHovers - 1) / kHovers;
  std::vector<std::pair<double, const std::string*>> chosen;
  std::size_t i = 0;
  for (const auto& [x, text] : all) {
    if (i++ % stride == 0 || i == all.size()) {
      chosen.emplace_back(x, &text);
    }
  }
  std::string svg;
  double begin = 0;
  for (std::size_t c = 0; c < chosen.size(); ++c) {
    const double end =
        c + 1 == chosen.size()
            ? kPlotSide
            : axes.at_x(chosen[c].first / 2 + chosen[c + 1].first / 2);
    svg += fmt::format(
        "<rect class=\"h\" x=\"{:.2f}\" y=\"0\" width=\"{:.2f}\" "
        "height=\"{}\"><title>{} {:.10g}{}</title></rect>\n",
        begin,
        std::max(end - begin, 0.0),
        kPlotSide,
        escape(chart.x_name),
        chosen[c].first,
        *chosen[c].second);
    begin = end;
  }
  return svg;
}

std::optional<double> value_at(const Line& line, double x) {
  const auto found = std::lower_bound(
      line.points.begin(), line.points.end(), x, [](const Point& p, double v) {
        return p.x < v;
      });
  if (found == line.points.end() || found->x != x) {
    return std::nullopt;
  }
  return found->y;
}

}  // namespace

std::string to_html(const LineChart& chart) {
  Frame frame = {.title = chart.title, .x_name = chart.x_name};
  Axes axes = {.x = x_range(chart)};
  bool empty = true;
  for (const Scale scale : scales_of(chart)) {
    axes.scale = scale;
    axes.y = y_range(chart, scale);
    if (axes.y.empty()) {
      continue;
    }
    empty = false;
    const char* const style = style_of(chart, scale);
    frame.y.push_back({.style = style, .marks = y_marks(chart, axes)});
    frame.svg += layer(chart, axes, frame.y.back().marks);
    frame.over += fmt::format(
        "<div class=\"over {}\">{}</div>\n", style, edge_marks(chart, axes));
  }
  if (empty) {
    frame.over = "<p class=\"none\">no values yet</p>\n";
    return to_html(frame);
  }
  frame.x = x_marks(chart, axes);
  frame.svg += hovers(chart, axes);
  return to_html(frame);
}

Table table_of(const LineChart& chart, std::size_t most) {
  Table table = {.head = {chart.x_name}};
  for (const Line& line : chart.lines) {
    table.head.push_back(line.name);
  }
  if (chart.lines.empty()) {
    return table;
  }
  const std::vector<Point>& points = chart.lines[0].points;
  const std::size_t stride =
      std::max<std::size_t>((points.size() + most - 1) / most, 1);
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i % stride != 0 && i + 1 != points.size()) {
      continue;
    }
    std::vector<std::string> row = {fmt::format("{}", points[i].x)};
    for (const Line& line : chart.lines) {
      const auto value = value_at(line, points[i].x);
      row.push_back(!value                  ? ""
                    : std::isfinite(*value) ? fmt::format("{:.6g}", *value)
                                            : "not finite");
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace dure::report
