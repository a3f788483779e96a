// Loss, learning rate, gradient norm and throughput over the steps.
#include <algorithm>
#include <cmath>
#include <functional>

#include "dure/base/check.h"
#include "dure/report/line_chart.h"
#include "dure/report/markup.h"
#include "dure/report/sections.h"
#include "dure/report/ticks.h"

namespace dure::report {
namespace {

constexpr std::size_t kMostRows = 50;
constexpr std::size_t kMostSkipped = 20;

using Value = std::function<double(const train::Metrics&)>;

std::vector<Point> points_of(const Report& report, const Value& value) {
  std::vector<Point> points;
  for (const train::Metrics& line : report.metrics.lines) {
    points.push_back({.x = static_cast<double>(line.step), .y = value(line)});
  }
  return points;
}

std::vector<Point> validation_points(const Report& report) {
  std::vector<Point> points;
  for (const train::Metrics& line : report.metrics.lines) {
    if (line.validation_loss) {
      points.push_back(
          {.x = static_cast<double>(line.step), .y = *line.validation_loss});
    }
  }
  return points;
}

// Logarithmic where values above 0 differ by more than a hundred times.
Scale scale_of(const std::vector<Point>& points) {
  double low = INFINITY;
  double high = 0;
  for (const Point& point : points) {
    if (std::isfinite(point.y) && point.y > 0) {
      low = std::min(low, point.y);
      high = std::max(high, point.y);
    }
  }
  return high > 100 * low ? Scale::kLog : Scale::kLinear;
}

std::string figure(const LineChart& chart, const std::string& about) {
  std::vector<std::string> legend;
  for (const Line& line : chart.lines) {
    legend.push_back(line.name);
  }
  if (legend.size() == 1) {
    legend.clear();
  }
  return to_html(Figure{
      .name = chart.title,
      .about = chart.scale == Scale::kLog ? about + ", logarithmic" : about,
      .legend = legend,
      .svg = to_svg(chart),
      .table = folded("Table", table_of(chart, kMostRows))});
}

std::string loss_figure(const Report& report) {
  LineChart chart = {
      .title = "Loss",
      .lines = {{.name = "training",
                 .points = points_of(
                     report, [](const auto& line) { return line.loss; })}}};
  const std::vector<Point> validation = validation_points(report);
  if (!validation.empty()) {
    chart.lines.push_back(
        {.name = "validation", .points = validation, .mark = Mark::kDots});
  }
  return figure(chart, "nats a token");
}

std::string figure_of(const Report& report,
                      const std::string& title,
                      const std::string& about,
                      const Value& value) {
  return figure({.title = title,
                 .lines = {{.name = title, .points = points_of(report, value)}},
                 .floor = Floor::kZero},
                about);
}

std::string norm_figure(const Report& report) {
  const std::vector<Point> points =
      points_of(report, [](const auto& line) { return line.grad_norm; });
  return figure({.title = "Gradient norm",
                 .lines = {{.name = "Gradient norm", .points = points}},
                 .scale = scale_of(points),
                 .floor = Floor::kZero},
                "of all gradients, before clipping");
}

std::string skipped_table(const Report& report) {
  Table table = {.head = {"step", "not finite"},
                 .columns = {Column::kNumber, Column::kText}};
  std::size_t count = 0;
  for (const train::Metrics& line : report.metrics.lines) {
    if (line.skipped && ++count <= kMostSkipped) {
      table.rows.push_back({grouped(line.step), *line.skipped});
    }
  }
  if (count == 0) {
    return "";
  }
  return concat("<h3>Updates left out: ",
                grouped(count),
                count > kMostSkipped ? ", of which the first" : "",
                "</h3>\n",
                to_html(table));
}

}  // namespace

std::string training_section(const Report& report) {
  if (report.metrics.lines.empty()) {
    return "";
  }
  return concat(
      "<h2>Training</h2>\n<div class=\"charts\">\n",
      loss_figure(report),
      figure_of(report,
                "Learning rate",
                "of each update",
                [](const auto& line) { return line.learning_rate; }),
      norm_figure(report),
      figure_of(report,
                "Tokens a second",
                "of all ranks",
                [](const auto& line) { return line.tokens_per_second; }),
      figure_of(
          report,
          "Model FLOPs utilization",
          "percent of the rate of a large matrix product",
          [](const auto& line) { return 100 * line.model_flops_utilization; }),
      "</div>\n",
      skipped_table(report));
}

}  // namespace dure::report
