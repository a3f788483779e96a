// The loss scale, and the gradients' exponents beside fp16's range.
#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "dure/report/curves.h"
#include "dure/report/histogram_chart.h"
#include "dure/report/line_chart.h"
#include "dure/report/sections.h"
#include "dure/report/ticks.h"

namespace dure::report {
namespace {

using train::ExponentHistogram;
using train::GradientExponents;
using train::Metrics;

constexpr const char* kUnscaled = "before the scale";
constexpr const char* kScaled = "after the scale";

double step_of(const Metrics& line) {
  return static_cast<double>(line.step);
}

// A histogram of every counted step, by its name.
struct Kind {
  const char* name;
  const ExponentHistogram* (*of)(const GradientExponents&);
};
constexpr Kind kKinds[] = {
    {kUnscaled,
     [](const GradientExponents& exponents) { return &exponents.unscaled; }},
    {kScaled,
     [](const GradientExponents& exponents) {
       return exponents.scaled ? &*exponents.scaled : nullptr;
     }},
};

struct Bound {
  const char* name;
  int exponent;
  const char* meaning;
};
constexpr Bound kBounds[] = {
    {"2^-24",
     train::kLeastOfFp16,
     "the least number of fp16: below it there is only 0"},
    {"2^-14",
     train::kLeastNormalOfFp16,
     "the least normal number of fp16: below it digits get lost"},
};

const Metrics* last_counted(const MetricsSeries& metrics) {
  const auto found = std::find_if(
      metrics.lines.rbegin(), metrics.lines.rend(), [](const Metrics& line) {
        return line.gradient_exponents.has_value();
      });
  return found == metrics.lines.rend() ? nullptr : &*found;
}

Line shares_of(const MetricsSeries& metrics,
               const Bound& bound,
               const Kind& kind) {
  Line line = {.name = fmt::format("below {}, {}", bound.name, kind.name)};
  for (const Metrics& metric : metrics.lines) {
    const ExponentHistogram* const histogram =
        metric.gradient_exponents ? kind.of(*metric.gradient_exponents)
                                  : nullptr;
    if (histogram != nullptr) {
      line.points.push_back(
          {.x = step_of(metric),
           .y = 100 * histogram->share_below(bound.exponent)});
    }
  }
  return line;
}

std::string shares_figure(const MetricsSeries& metrics) {
  LineChart chart = {.title = "Gradients below fp16's range",
                     .floor = Floor::kZero};
  std::size_t series = 0;
  for (const Bound& bound : kBounds) {
    for (const Kind& kind : kKinds) {
      Line line = shares_of(metrics, bound, kind);
      line.series = series++;
      if (!line.points.empty()) {
        chart.lines.push_back(std::move(line));
      }
    }
  }
  return figure(chart, "percent of those that are not 0");
}

Table table_of(const std::vector<Histogram>& histograms) {
  Table table = {.head = {"exponent"}};
  int first = histograms[0].first;
  int end = first;
  for (const Histogram& histogram : histograms) {
    table.head.push_back(histogram.name);
    first = std::min(first, histogram.first);
    end = std::max(end,
                   histogram.first + static_cast<int>(histogram.counts.size()));
  }
  for (int e = first; e < end; ++e) {
    std::vector<std::string> row = {std::to_string(e)};
    for (const Histogram& histogram : histograms) {
      const std::ptrdiff_t i = e - std::ptrdiff_t{histogram.first};
      row.push_back(i < 0 || i >= std::ssize(histogram.counts)
                        ? ""
                        : grouped(static_cast<std::uint64_t>(
                              histogram.counts[static_cast<std::size_t>(i)])));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string about(const Metrics& line) {
  const GradientExponents& exponents = *line.gradient_exponents;
  const auto all =
      static_cast<double>(std::max<std::int64_t>(exponents.elements(), 1));
  return fmt::format(
      "step {}: {} elements, of which {} are 0{}; of the others, by exponent",
      grouped(static_cast<std::uint64_t>(line.step)),
      grouped(static_cast<std::uint64_t>(exponents.elements())),
      percent_text(static_cast<double>(exponents.zeros) / all),
      exponents.nonfinite > 0
          ? fmt::format(
                " and {} not finite",
                grouped(static_cast<std::uint64_t>(exponents.nonfinite)))
          : "");
}

std::string histogram_figure(const Metrics& line) {
  HistogramChart chart = {.title = "Gradients by exponent",
                          .x_name = "exponent"};
  std::vector<Figure::Entry> legend;
  for (const Kind& kind : kKinds) {
    const ExponentHistogram* const found = kind.of(*line.gradient_exponents);
    if (found != nullptr) {
      legend.push_back({.name = kind.name, .series = legend.size()});
      chart.histograms.push_back(
          {.name = kind.name,
           .first = found->first,
           .counts = {found->counts.begin(), found->counts.end()},
           .series = chart.histograms.size()});
    }
  }
  for (const Bound& bound : kBounds) {
    chart.marks.push_back(
        {.at = bound.exponent, .text = bound.name, .more = bound.meaning});
  }
  return to_html(Figure{
      .name = chart.title,
      .about = about(line),
      .legend = legend.size() > 1 ? legend : std::vector<Figure::Entry>(),
      .drawing = to_html(chart),
      .table = folded("Table", table_of(chart.histograms))});
}

}  // namespace

std::string loss_scale_figure(const Report& report) {
  Line scale = {.name = "loss scale"};
  Line skipped = {.name = "update left out", .mark = Mark::kDots, .series = 1};
  for (const Metrics& line : report.metrics.lines) {
    if (line.loss_scale) {
      const Point point = {.x = step_of(line), .y = *line.loss_scale};
      scale.points.push_back(point);
      if (line.skipped) {
        skipped.points.push_back(point);
      }
    }
  }
  if (scale.points.empty()) {
    return "";
  }
  LineChart chart = {.title = "Loss scale",
                     .lines = {std::move(scale)},
                     .scales = Scales::kLog,
                     .y_marks = YMarks::kPowersOfTwo};
  if (!skipped.points.empty()) {
    chart.lines.push_back(std::move(skipped));
  }
  return figure(chart, "of each step's loss");
}

std::string gradient_figures(const Report& report) {
  const Metrics* const last = last_counted(report.metrics);
  return last == nullptr
             ? ""
             : histogram_figure(*last) + shares_figure(report.metrics);
}

}  // namespace dure::report
