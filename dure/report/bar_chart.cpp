#include "dure/report/bar_chart.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

#include "dure/report/frame.h"
#include "dure/report/markup.h"
#include "dure/report/ticks.h"

namespace dure::report {
namespace {

constexpr double kRowPixels = 22;
constexpr int kMostTicks = 6;

double sum(const Bar& bar) {
  return std::accumulate(bar.parts.begin(), bar.parts.end(), 0.0);
}

// Ticks are round numbers of bytes in powers of two.
std::vector<double> byte_ticks(double high) {
  const double unit =
      std::pow(1024.0, std::floor(std::log2(std::max(high, 1.0)) / 10));
  std::vector<double> marks = ticks(0, high / unit, kMostTicks);
  for (double& mark : marks) {
    mark *= unit;
  }
  return marks;
}

class Bars {
 public:
  explicit Bars(const BarChart& chart)
      : chart_(chart),
        row_(kPlotSide /
             static_cast<double>(std::max<std::size_t>(chart.bars.size(), 1))) {
    for (const Bar& bar : chart.bars) {
      high_ = std::max({high_, sum(bar), bar.mark});
    }
  }

  std::string html() const {
    Frame frame = {
        .title = chart_.title,
        .pixels = kRowPixels * static_cast<double>(chart_.bars.size()),
        .y = {Frame::Marks()}};
    for (const double mark : byte_ticks(high_)) {
      frame.x.push_back({.at = at(mark), .text = bytes_text(mark)});
      frame.svg += fmt::format(
          "<path class=\"g\" d=\"M{:.1f} 0V{}\"/>\n", at(mark), kPlotSide);
    }
    for (std::size_t i = 0; i < chart_.bars.size(); ++i) {
      const double top = row_ * static_cast<double>(i);
      frame.y[0].marks.push_back(
          {.at = top + row_ / 2, .text = chart_.bars[i].name});
      frame.svg += bar(chart_.bars[i], top);
    }
    return to_html(frame);
  }

 private:
  double at(double value) const { return kPlotSide * value / high_; }

  std::string bar(const Bar& bar, double top) const {
    std::string text;
    double before = 0;
    for (std::size_t p = 0; p < bar.parts.size(); ++p) {
      text += part(bar, p, {.from = before, .top = top});
      before += bar.parts[p];
    }
    if (bar.mark >= 0) {
      text += fmt::format(
          "<path class=\"k\" d=\"M{:.1f} {:.1f}v{:.1f}\"><title>{}: {} {}"
          "</title></path>\n",
          at(bar.mark),
          top + 0.05 * row_,
          0.9 * row_,
          escape(bar.name),
          escape(chart_.mark_name),
          bytes_text(bar.mark));
    }
    return text;
  }

  struct Corner {
    double from = 0;
    double top = 0;
  };
  std::string part(const Bar& bar, std::size_t p, Corner corner) const {
    if (bar.parts[p] <= 0) {
      return "";
    }
    return fmt::format(
        "<rect class=\"f {}\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" "
        "height=\"{:.1f}\"><title>{}: {} {}</title></rect>\n",
        series_class(p),
        at(corner.from),
        corner.top + 0.15 * row_,
        at(bar.parts[p]),
        0.7 * row_,
        escape(bar.name),
        escape(chart_.parts[p]),
        bytes_text(bar.parts[p]));
  }

  const BarChart& chart_;
  double row_;  // of the plot's coordinates
  double high_ = 1;
};

}  // namespace

std::string to_html(const BarChart& chart) {
  return Bars(chart).html();
}

}  // namespace dure::report
