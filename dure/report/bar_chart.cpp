#include "dure/report/bar_chart.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

#include "dure/report/markup.h"
#include "dure/report/ticks.h"

namespace dure::report {
namespace {

constexpr double kWidth = 720;
constexpr double kLeft = 110;
constexpr double kRight = 24;
constexpr double kTop = 8;
constexpr double kBottom = 26;
constexpr double kRow = 22;
constexpr double kBar = 15;

double sum(const Bar& bar) {
  return std::accumulate(bar.parts.begin(), bar.parts.end(), 0.0);
}

// What is a round number of bytes goes by powers of two.
std::vector<double> byte_ticks(double high) {
  const double unit =
      std::pow(1024.0, std::floor(std::log2(std::max(high, 1.0)) / 10));
  std::vector<double> marks = ticks(0, high / unit, 6);
  for (double& mark : marks) {
    mark *= unit;
  }
  return marks;
}

class Bars {
 public:
  explicit Bars(const BarChart& chart) : chart_(chart) {
    for (const Bar& bar : chart.bars) {
      high_ = std::max({high_, sum(bar), bar.mark});
    }
  }

  std::string svg() const {
    std::string text = fmt::format(
        "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" "
        "aria-label=\"{}\">\n",
        kWidth,
        bottom() + kBottom,
        escape(chart_.title));
    for (const double mark : byte_ticks(high_)) {
      text += fmt::format(
          "<path class=\"g\" d=\"M{0:.1f} {1}V{2}\"/>"
          "<text x=\"{0:.1f}\" y=\"{3}\" class=\"m\">{4}</text>\n",
          at(mark),
          kTop,
          bottom(),
          bottom() + 16,
          bytes_text(mark));
    }
    for (std::size_t i = 0; i < chart_.bars.size(); ++i) {
      text += bar(i);
    }
    return text + "</svg>\n";
  }

 private:
  double bottom() const {
    return kTop + kRow * static_cast<double>(chart_.bars.size());
  }

  double at(double value) const {
    return kLeft + (kWidth - kLeft - kRight) * value / high_;
  }

  std::string bar(std::size_t i) const {
    const Bar& bar = chart_.bars[i];
    const double y = kTop + kRow * static_cast<double>(i);
    std::string text =
        fmt::format("<text x=\"{}\" y=\"{:.1f}\" class=\"e\">{}</text>\n",
                    kLeft - 6,
                    y + kBar,
                    escape(bar.name));
    double before = 0;
    for (std::size_t p = 0; p < bar.parts.size(); ++p) {
      text += part(bar, p, {.from = before, .y = y});
      before += bar.parts[p];
    }
    if (bar.mark >= 0) {
      text += fmt::format(
          "<path class=\"k\" d=\"M{:.1f} {:.1f}v{}\"><title>{}: {} {}"
          "</title></path>\n",
          at(bar.mark),
          y,
          kRow - 3,
          escape(bar.name),
          escape(chart_.mark_name),
          bytes_text(bar.mark));
    }
    return text;
  }

  struct Corner {
    double from = 0;
    double y = 0;
  };
  std::string part(const Bar& bar, std::size_t p, Corner corner) const {
    if (bar.parts[p] <= 0) {
      return "";
    }
    return fmt::format(
        "<rect class=\"f {}\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" "
        "height=\"{}\"><title>{}: {} {}</title></rect>\n",
        series_class(p),
        at(corner.from),
        corner.y + 2,
        at(bar.parts[p]) - kLeft,
        kBar,
        escape(bar.name),
        escape(chart_.parts[p]),
        bytes_text(bar.parts[p]));
  }

  const BarChart& chart_;
  double high_ = 1;
};

}  // namespace

std::string to_svg(const BarChart& chart) {
  return Bars(chart).svg();
}

}  // namespace dure::report
