#include "dure/report/histogram_chart.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

#include "dure/report/frame.h"
#include "dure/report/markup.h"
#include "dure/report/range.h"
#include "dure/report/ticks.h"

namespace dure::report {
namespace {

constexpr int kMostTicks = 6;
constexpr double kLeftOut = 1e-3;  // at either end of a histogram

double sum(const Histogram& histogram) {
  return std::accumulate(histogram.counts.begin(), histogram.counts.end(), 0.0);
}

// The share of a histogram that the number has.
double share_at(const Histogram& histogram, int number) {
  const std::ptrdiff_t i = number - std::ptrdiff_t{histogram.first};
  return i < 0 || i >= std::ssize(histogram.counts)
             ? 0
             : histogram.counts[static_cast<std::size_t>(i)] / sum(histogram);
}

// How many counts, from the iterator on, have less than kLeftOut together.
template <typename Iterator>
int few(Iterator from, Iterator end, double all) {
  int count = 0;
  for (double before = 0; from != end; ++from, ++count) {
    before += *from;
    if (before >= kLeftOut * all) {
      return count;
    }
  }
  return count;
}

// The numbers that are drawn, and the place after the last.
Range numbers_of(const HistogramChart& chart) {
  Range range;
  for (const Histogram& histogram : chart.histograms) {
    const auto& counts = histogram.counts;
    const double all = sum(histogram);
    if (all > 0) {
      range.take(histogram.first + few(counts.begin(), counts.end(), all));
      range.take(histogram.first + static_cast<double>(counts.size()) -
                 few(counts.rbegin(), counts.rend(), all));
    }
  }
  if (!range.empty()) {
    for (const NumberMark& mark : chart.marks) {
      range.take(mark.at - 1);
      range.take(mark.at + 1);
    }
  }
  return range;
}

class Bars {
 public:
  explicit Bars(const HistogramChart& chart)
      : chart_(chart), numbers_(numbers_of(chart)) {
    for (int number = first(); number < end(); ++number) {
      for (const Histogram& histogram : chart.histograms) {
        high_ = std::max(high_, share_at(histogram, number));
      }
    }
  }

  std::string html() const {
    Frame frame = {
        .title = chart_.title, .y = {Frame::Marks()}, .x_name = chart_.x_name};
    for (const double share : ticks(0, high_, kMostTicks)) {
      frame.y[0].marks.push_back(
          {.at = at_y(share), .text = short_text(100 * share) + " %"});
      frame.svg += fmt::format(
          "<path class=\"g\" d=\"M0 {:.1f}H{}\"/>\n", at_y(share), kPlotSide);
    }
    for (const double x : ticks(numbers_.low, numbers_.high, kMostTicks)) {
      if (x == std::floor(x)) {
        frame.x.push_back({.at = at_x(x), .text = short_text(x)});
      }
    }
    for (const Histogram& histogram : chart_.histograms) {
      frame.svg += bars(histogram);
    }
    for (const NumberMark& mark : chart_.marks) {
      frame.svg += fmt::format(
          "<path class=\"k\" d=\"M{:.1f} 0V{}\"/>\n", at_x(mark.at), kPlotSide);
      frame.over += edge_mark(Edge::kTop, at_x(mark.at), mark.text, mark.more);
    }
    frame.svg += hovers();
    return to_html(frame);
  }

 private:
  int first() const { return static_cast<int>(numbers_.low); }
  int end() const { return static_cast<int>(numbers_.high); }
  double at_x(double number) const {
    return kPlotSide * (number - numbers_.low) / numbers_.length();
  }
  double at_y(double share) const { return kPlotSide * (1 - share / high_); }

  std::string bars(const Histogram& histogram) const {
    std::string text;
    for (int number = first(); number < end(); ++number) {
      const double share = share_at(histogram, number);
      if (share > 0) {
        text += fmt::format(
            "<rect class=\"f b {}\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" "
            "height=\"{:.1f}\"/>\n",
            series_class(histogram.series),
            at_x(number),
            at_y(share),
            at_x(number + 1) - at_x(number),
            kPlotSide - at_y(share));
      }
    }
    return text;
  }

  std::string hovers() const {
    std::string text;
    for (int number = first(); number < end(); ++number) {
      text += fmt::format(
          "<rect class=\"h\" x=\"{:.2f}\" y=\"0\" width=\"{:.2f}\" "
          "height=\"{}\"><title>{} {}",
          at_x(number),
          at_x(number + 1) - at_x(number),
          kPlotSide,
          escape(chart_.x_name),
          number);
      for (const Histogram& histogram : chart_.histograms) {
        text += fmt::format("\n{}: {}",
                            escape(histogram.name),
                            percent_text(share_at(histogram, number)));
      }
      text += "</title></rect>\n";
    }
    return text;
  }

  const HistogramChart& chart_;
  Range numbers_;
  double high_ = 0;  // the highest share
};

}  // namespace

std::string to_html(const HistogramChart& chart) {
  if (numbers_of(chart).empty()) {
    return to_html(Frame{.title = chart.title,
                         .x_name = chart.x_name,
                         .over = "<p class=\"none\">no values</p>\n"});
  }
  return Bars(chart).html();
}

}  // namespace dure::report
