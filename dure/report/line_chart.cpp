#include "dure/report/line_chart.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "dure/report/ticks.h"

namespace dure::report {
namespace {

constexpr double kWidth = 720;
constexpr double kHeight = 260;
constexpr double kLeft = 64;
constexpr double kRight = 16;
constexpr double kTop = 14;
constexpr double kBottom = 40;
constexpr int kMostTicks = 6;
constexpr std::size_t kHovers = 200;
constexpr double kLargest = 1e300;  // sums and differences stay finite

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return !(low <= high); }
};

bool is_drawn(const LineChart& chart, const Point& point) {
  return std::isfinite(point.x) && std::abs(point.y) <= kLargest &&
         (chart.scale == Scale::kLinear || point.y > 0);
}

// With some room where all values are one.
Range widened(const LineChart& chart, Range range) {
  if (chart.scale == Scale::kLog) {
    return range.low < range.high
               ? range
               : Range{.low = range.low / 2, .high = range.high * 2};
  }
  if (chart.floor == Floor::kZero) {
    range.take(0);
  }
  if (range.high - range.low <= 1e-12 * std::abs(range.high)) {
    const double room = range.high == 0 ? 1 : 0.05 * std::abs(range.high);
    return {.low = range.low - (range.low == 0 ? 0 : room),
            .high = range.high + room};
  }
  return {.low = range.low,
          .high = range.high + 0.03 * (range.high - range.low)};
}

class Plot {
 public:
  explicit Plot(const LineChart& chart) : chart_(chart) {
    for (const Line& line : chart.lines) {
      for (const Point& point : line.points) {
        if (is_drawn(chart, point)) {
          x_.take(point.x);
          y_.take(point.y);
        }
      }
    }
    if (!x_.empty()) {
      y_ = widened(chart, y_);
      if (x_.low == x_.high) {
        x_ = {.low = x_.low - 1, .high = x_.high + 1};
      }
    }
  }

  std::string svg() const {
    std::string text = fmt::format(
        "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" "
        "aria-label=\"{}\">\n",
        kWidth,
        kHeight,
        escape(chart_.title));
    if (x_.empty()) {
      return text + fmt::format(
                        "<text x=\"{}\" y=\"{}\" class=\"m\">no values yet"
                        "</text>\n</svg>\n",
                        kWidth / 2,
                        kHeight / 2);
    }
    text += axes();
    for (std::size_t i = 0; i < chart_.lines.size(); ++i) {
      text += line(i);
    }
    return text + hovers() + "</svg>\n";
  }

 private:
  double at_x(double x) const {
    return kLeft +
           (kWidth - kLeft - kRight) * (x - x_.low) / (x_.high - x_.low);
  }

  double at_y(double y) const {
    const bool log = chart_.scale == Scale::kLog;
    const double share = log ? std::log(y / y_.low) / std::log(y_.high / y_.low)
                             : (y - y_.low) / (y_.high - y_.low);
    return kHeight - kBottom - (kHeight - kTop - kBottom) * share;
  }

  std::string axes() const {
    std::string text;
    const auto marks = chart_.scale == Scale::kLog
                           ? log_ticks(y_.low, y_.high, kMostTicks)
                           : ticks(y_.low, y_.high, kMostTicks);
    for (const double y : marks) {
      text += fmt::format(
          "<path class=\"g\" d=\"M{0} {2:.1f}H{1}\"/>"
          "<text x=\"{3}\" y=\"{4:.1f}\" class=\"e\">{5}</text>\n",
          kLeft,
          kWidth - kRight,
          at_y(y),
          kLeft - 6,
          at_y(y) + 4,
          short_text(y));
    }
    for (const double x : ticks(x_.low, x_.high, kMostTicks + 2)) {
      if (x == std::floor(x)) {
        text +=
            fmt::format("<text x=\"{:.1f}\" y=\"{}\" class=\"m\">{}</text>\n",
                        at_x(x),
                        kHeight - kBottom + 16,
                        short_text(x));
      }
    }
    return text + fmt::format(
                      "<path class=\"a\" d=\"M{0} {1}V{2}H{3}\"/>\n"
                      "<text x=\"{4}\" y=\"{5}\" class=\"m\">{6}</text>\n",
                      kLeft,
                      kTop,
                      kHeight - kBottom,
                      kWidth - kRight,
                      (kLeft + kWidth - kRight) / 2,
                      kHeight - 6,
                      escape(chart_.x_name));
  }

  std::string line(std::size_t i) const {
    const std::vector<Point> points = thin(chart_.lines[i].points, kMostPoints);
    return chart_.lines[i].mark == Mark::kDots ? dots(points, i)
                                               : path(points, i);
  }

  std::string path(const std::vector<Point>& points, std::size_t i) const {
    std::string d;
    bool broken = true;
    for (std::size_t p = 0; p < points.size(); ++p) {
      if (!is_drawn(chart_, points[p])) {
        broken = true;
        continue;
      }
      // A point between two gaps is a line of no length, with round ends.
      d += fmt::format("{}{:.1f} {:.1f}{}",
                       broken ? 'M' : 'L',
                       at_x(points[p].x),
                       at_y(points[p].y),
                       broken ? "h0" : "");
      broken = false;
    }
    return fmt::format("<path class=\"l {}\" d=\"{}\"/>\n", series_class(i), d);
  }

  std::string dots(const std::vector<Point>& points, std::size_t i) const {
    std::string text;
    for (const Point& point : points) {
      if (is_drawn(chart_, point)) {
        text += fmt::format(
            "<circle class=\"d {}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\"/>\n",
            series_class(i),
            at_x(point.x),
            at_y(point.y));
      }
    }
    return text;
  }

  // Every drawn x, with what there is at it.
  std::map<double, std::string> texts() const {
    std::map<double, std::string> found;
    for (const Line& line : chart_.lines) {
      for (const Point& point : thin(line.points, kMostPoints)) {
        if (is_drawn(chart_, point)) {
          found[point.x] +=
              fmt::format("\n{}: {:.6g}", escape(line.name), point.y);
        }
      }
    }
    return found;
  }

  std::string hovers() const {
    const auto all = texts();
    const std::size_t stride = (all.size() + kHovers - 1) / kHovers;
    std::vector<std::pair<double, const std::string*>> chosen;
    std::size_t i = 0;
    for (const auto& [x, text] : all) {
      if (i++ % stride == 0 || i == all.size()) {
        chosen.emplace_back(x, &text);
      }
    }
    std::string svg;
    for (std::size_t c = 0; c < chosen.size(); ++c) {
      const double begin =
          c == 0 ? kLeft : at_x((chosen[c - 1].first + chosen[c].first) / 2);
      const double end =
          c + 1 == chosen.size()
              ? kWidth - kRight
              : at_x((chosen[c].first + chosen[c + 1].first) / 2);
      svg += fmt::format(
          "<rect class=\"h\" x=\"{:.2f}\" y=\"{}\" width=\"{:.2f}\" "
          "height=\"{}\"><title>{} {}{}</title></rect>\n",
          begin,
          kTop,
          std::max(end - begin, 0.0),
          kHeight - kTop - kBottom,
          escape(chart_.x_name),
          chosen[c].first,
          *chosen[c].second);
    }
    return svg;
  }

  const LineChart& chart_;
  Range x_;
  Range y_;
};

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

std::string to_svg(const LineChart& chart) {
  return Plot(chart).svg();
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
