// Loss, learning rate, gradients and throughput over the steps.
#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <utility>

#include "dure/report/curves.h"
#include "dure/report/line_chart.h"
#include "dure/report/markup.h"
#include "dure/report/sections.h"
#include "dure/report/ticks.h"

namespace dure::report {
namespace {

constexpr std::size_t kMostSkipped = 20;

// Logarithmic if the usual values above 0 differ by more than a hundred times.
Scales scales_of(const std::vector<Point>& points) {
  std::vector<double> values;
  for (const Point& point : points) {
    if (std::isfinite(point.y) && point.y > 0) {
      values.push_back(point.y);
    }
  }
  const Range range = usual_range(values);
  return !range.empty() && range.high > 100 * range.low ? Scales::kLog
                                                        : Scales::kLinear;
}

std::string loss_figure(const Report& report, const Offer& offer) {
  const std::vector<Point> losses = points_of(report.metrics, loss_of);
  LineChart chart = {.title = "Loss",
                     .lines = {{.name = "training",
                                .points = losses,
                                .smoothed = smoothed(offer, losses)}},
                     .scales = Scales::kBoth,
                     .limits = Limits::kUsual};
  const std::vector<Point> validation = validation_points(report.metrics);
  if (!validation.empty()) {
    chart.lines.push_back({.name = "validation",
                           .points = validation,
                           .mark = Mark::kDots,
                           .series = 1});
  }
  return figure(chart, "nats a token");
}

LineChart chart_of(const Report& report,
                   const Offer& offer,
                   const std::string& title,
                   double (*value)(const train::Metrics&)) {
  const std::vector<Point> points = points_of(report.metrics, value);
  return {.title = title,
          .lines = {{.name = title,
                     .points = points,
                     .smoothed = smoothed(offer, points)}},
          .floor = Floor::kZero,
          .limits = Limits::kUsual};
}

std::string norm_figure(const Report& report, const Offer& offer) {
  LineChart chart = chart_of(report, offer, "Gradient norm", norm_of);
  chart.scales = scales_of(chart.lines[0].points);
  return figure(chart, "of all gradients, before clipping");
}

// The learning rate has neither noise nor spikes.
std::string learning_rate_figure(const Report& report) {
  LineChart chart = chart_of(report, {}, "Learning rate", learning_rate_of);
  chart.limits = Limits::kAll;
  return figure(chart, "of each update");
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
  return fmt::format("<h3>Updates left out: {}{}</h3>\n{}",
                     grouped(count),
                     count > kMostSkipped ? ", of which the first" : "",
                     to_html(table));
}

}  // namespace

std::string training_section(const Report& report, const Choices& choices) {
  if (report.metrics.lines.empty()) {
    return "";
  }
  const Offer offer =
      offer_of(choices, static_cast<double>(report.metrics.lines.back().step));
  return fmt::format(
      "<section>\n<h2>Training</h2>\n{}<div "
      "class=\"charts\">\n{}{}{}{}{}{}{}</div>\n</section>\n{}",
      to_html(offer, "training"),
      loss_figure(report, offer),
      learning_rate_figure(report),
      norm_figure(report, offer),
      loss_scale_figure(report),
      gradient_figures(report),
      figure(chart_of(report, offer, "Tokens a second", rate_of),
             "of all ranks"),
      figure(chart_of(report, offer, "Model FLOPs utilization", utilization_of),
             "percent of the rate of a large matrix product"),
      skipped_table(report));
}

}  // namespace dure::report
