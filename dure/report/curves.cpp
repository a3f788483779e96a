#include "dure/report/curves.h"

#include <algorithm>

#include "dure/report/markup.h"
#include "dure/report/sections.h"

namespace dure::report {
namespace {

constexpr std::size_t kMostRows = 50;

// The legend has the first line of each colour.
std::vector<Figure::Entry> legend_of(const LineChart& chart) {
  std::vector<Figure::Entry> legend;
  for (const Line& line : chart.lines) {
    const bool known = std::any_of(
        legend.begin(), legend.end(), [&](const Figure::Entry& entry) {
          return entry.series == line.series;
        });
    if (!known) {
      legend.push_back({.name = line.name, .series = line.series});
    }
  }
  return legend.size() > 1 ? legend : std::vector<Figure::Entry>();
}

}  // namespace

double loss_of(const train::Metrics& line) {
  return line.loss;
}

double learning_rate_of(const train::Metrics& line) {
  return line.learning_rate;
}

double norm_of(const train::Metrics& line) {
  return line.grad_norm;
}

double rate_of(const train::Metrics& line) {
  return line.tokens_per_second;
}

double utilization_of(const train::Metrics& line) {
  return 100 * line.model_flops_utilization;
}

std::vector<Point> points_of(const MetricsSeries& metrics,
                             double (*value)(const train::Metrics&)) {
  std::vector<Point> points;
  for (const train::Metrics& line : metrics.lines) {
    points.push_back({.x = static_cast<double>(line.step), .y = value(line)});
  }
  return points;
}

std::vector<Point> validation_points(const MetricsSeries& metrics) {
  std::vector<Point> points;
  for (const train::Metrics& line : metrics.lines) {
    if (line.validation_loss) {
      points.push_back(
          {.x = static_cast<double>(line.step), .y = *line.validation_loss});
    }
  }
  return points;
}

std::vector<double> seconds_of(const MetricsSeries& metrics) {
  std::vector<double> all;
  double seconds = 0;
  std::int64_t before = 0;
  for (const train::Metrics& line : metrics.lines) {
    if (line.tokens_per_second > 0) {
      seconds +=
          static_cast<double>(line.tokens - before) / line.tokens_per_second;
    }
    before = line.tokens;
    all.push_back(seconds);
  }
  return all;
}

std::string figure(const LineChart& chart,
                   const std::string& about,
                   WithTable table) {
  return to_html(Figure{
      .name = chart.title,
      .about = chart.scales == Scales::kLog ? about + ", logarithmic" : about,
      .legend = legend_of(chart),
      .drawing = to_html(chart),
      .table = table == WithTable::kYes
                   ? folded("Table", table_of(chart, kMostRows))
                   : ""});
}

}  // namespace dure::report
