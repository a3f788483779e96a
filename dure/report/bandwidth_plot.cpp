#include "dure/report/bandwidth_plot.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <utility>
#include <vector>

#include "dure/base/markup.h"

namespace dure::report {
namespace {

constexpr const char* kStyleSheet =
    "<style>:root { color-scheme: light dark }\n"
    "text { fill: #222222 } .paper { fill: #ffffff } "
    ".grid { stroke: #dddddd }\n"
    "@media (prefers-color-scheme: dark) { text { fill: #e6e9ec } "
    ".paper { fill: #14181c } .grid { stroke: #3a424a } }</style>\n";

std::string curve_name(const comm::Measurement& row) {
  return fmt::format("{} {}, {}",
                     row.back_end,
                     comm::name_of(row.kind),
                     comm::name_of(row.algorithm));
}

class Plot {
 public:
  explicit Plot(std::span<const comm::Measurement> rows) {
    for (const comm::Measurement& row : rows) {
      if (row.bytes > 0 && row.bus_bandwidth() > 0) {
        curves_[curve_name(row)].emplace_back(std::log2(row.bytes),
                                              std::log10(row.bus_bandwidth()));
      }
    }
    for (const auto& [name, points] : curves_) {
      for (const auto& [x, y] : points) {
        left_ = std::min(left_, x);
        right_ = std::max(right_, x);
        low_ = std::min(low_, std::floor(y));
        high_ = std::max(high_, std::ceil(y));
      }
    }
  }

  std::string svg() const {
    constexpr double kWidth = 900;
    const double height =
        std::max(480, 60 + 16 * static_cast<int>(curves_.size()));
    std::string text =
        kStyleSheet + svg::box(0, 0, kWidth, height, " class=\"paper\"") +
        svg::words(60, 20, "start", "bus bandwidth (bytes/s) over size") +
        grid();
    int index = 0;
    for (const auto& [name, points] : curves_) {
      text += curve(index++, name, points);
    }
    return svg::image(kWidth, height, "", text);
  }

 private:
  using Points = std::vector<std::pair<double, double>>;

  double at_x(double x) const {
    return 60 + 520 * (x - left_) / std::max(1.0, right_ - left_);
  }
  double at_y(double y) const {
    return 440 - 400 * (y - low_) / std::max(1.0, high_ - low_);
  }

  std::string grid() const {
    std::string text;
    for (double y = low_; y <= high_; ++y) {
      text +=
          fmt::format("<path d=\"M60 {:.1f} H580\" class=\"grid\"/>", at_y(y));
      text += svg::words(10, at_y(y) + 4, "start", fmt::format("1e{:.0f}", y));
    }
    for (double x = 10 * std::ceil(left_ / 10); x <= right_; x += 10) {
      text +=
          fmt::format("<path d=\"M{:.1f} 40 V440\" class=\"grid\"/>", at_x(x));
      text +=
          svg::words(at_x(x),
                     458,
                     "middle",
                     comm::size_text(std::int64_t{1} << static_cast<int>(x)));
    }
    return text;
  }

  std::string curve(int index,
                    const std::string& name,
                    const Points& points) const {
    const std::string color = fmt::format("hsl({},65%,45%)", index * 67 % 360);
    std::string path;
    for (const auto& [x, y] : points) {
      path += fmt::format(
          "{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', at_x(x), at_y(y));
    }
    const double y = 48 + 16 * index;
    return fmt::format(
               "<path d=\"{}\" fill=\"none\" stroke=\"{}\" "
               "stroke-width=\"2\"/>\n",
               path,
               color) +
           svg::box(595, y - 8, 8, 8, fmt::format(" fill=\"{}\"", color)) +
           svg::words(608, y, "start", name);
  }

  std::map<std::string, Points> curves_;
  double left_ = 60;
  double right_ = 0;
  double low_ = 30;
  double high_ = 0;
};

}  // namespace

std::string to_svg(std::span<const comm::Measurement> rows) {
  return Plot(rows).svg();
}

}  // namespace dure::report
