#include "dure/report/comparison.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "dure/config/load_config.h"
#include "dure/report/curves.h"
#include "dure/report/document.h"
#include "dure/report/markup.h"
#include "dure/report/result_table.h"
#include "dure/report/sections.h"

namespace dure::report {
namespace {

// The x values of each line of a run's metrics.
using Positions = std::vector<std::vector<double>>;

std::vector<Point> at(const std::vector<double>& positions,
                      std::vector<Point> points) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    points[i].x = positions[i];
  }
  return points;
}

// Validation losses at the positions of their lines.
std::vector<Point> validation_at(const std::vector<double>& positions,
                                 const MetricsSeries& metrics) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < metrics.lines.size(); ++i) {
    if (metrics.lines[i].validation_loss) {
      points.push_back(
          {.x = positions[i], .y = *metrics.lines[i].validation_loss});
    }
  }
  return points;
}

// The curves of a chart over runs, and their form.
struct Curves {
  std::string title = {};
  std::string about = {};
  double (*value)(const train::Metrics&) = nullptr;
  Positions positions = {};
  LineChart chart = {};  // without its lines
};

// Adds lines, smoothed by steps for any axis.
void add_lines(const std::vector<Report>& reports,
               const Offer& offer,
               const Curves& curves,
               LineChart& chart) {
  for (std::size_t r = 0; r < reports.size(); ++r) {
    const std::vector<Point> points =
        points_of(reports[r].metrics, curves.value);
    Line line = {.name = reports[r].name,
                 .points = at(curves.positions[r], points),
                 .series = r};
    for (auto& smooth : smoothed(offer, points)) {
      line.smoothed.push_back(at(curves.positions[r], std::move(smooth)));
    }
    chart.lines.push_back(std::move(line));
  }
}

LineChart chart_of(const std::vector<Report>& reports,
                   const Offer& offer,
                   const Curves& curves) {
  LineChart chart = curves.chart;
  chart.title = curves.title;
  chart.limits = Limits::kUsual;
  add_lines(reports, offer, curves, chart);
  return chart;
}

std::string loss_figure(const std::vector<Report>& reports,
                        const Offer& offer,
                        const Curves& curves) {
  LineChart chart = chart_of(reports, offer, curves);
  chart.scales = Scales::kBoth;
  for (std::size_t r = 0; r < reports.size(); ++r) {
    const auto validation =
        validation_at(curves.positions[r], reports[r].metrics);
    if (!validation.empty()) {
      chart.lines.push_back(
          {.name = fmt::format("{}, validation", reports[r].name),
           .points = validation,
           .mark = Mark::kDots,
           .series = r});
    }
  }
  // Runs share steps, but hardly any count of tokens or time.
  return figure(chart,
                curves.about,
                chart.x_name == "step" ? WithTable::kYes : WithTable::kNo);
}

Positions positions_by(const std::vector<Report>& reports,
                       double (*position)(const train::Metrics&)) {
  Positions positions;
  for (const Report& report : reports) {
    positions.emplace_back();
    for (const train::Metrics& line : report.metrics.lines) {
      positions.back().push_back(position(line));
    }
  }
  return positions;
}

double step_of(const train::Metrics& line) {
  return static_cast<double>(line.step);
}

double tokens_of(const train::Metrics& line) {
  return static_cast<double>(line.tokens);
}

// Times in the largest unit of which the longest run took two.
struct Times {
  Positions positions = {};
  const char* unit = "seconds";
};

Times times_of(const std::vector<Report>& reports) {
  Times times;
  double longest = 0;
  for (const Report& report : reports) {
    times.positions.push_back(seconds_of(report.metrics));
    longest = std::max(longest, training_seconds(report.metrics));
  }
  double seconds = 1;
  if (longest >= 2 * 3600) {
    seconds = 3600;
    times.unit = "hours";
  } else if (longest >= 2 * 60) {
    seconds = 60;
    times.unit = "minutes";
  }
  for (auto& positions : times.positions) {
    for (double& position : positions) {
      position /= seconds;
    }
  }
  return times;
}

std::string difference_section(const std::vector<Report>& reports) {
  const std::vector<Difference> found = differences(reports);
  if (found.empty()) {
    return "<h2>Configuration</h2>\n<p>Every key is the same.</p>\n";
  }
  Table table = {.head = {"key"}};
  table.columns.resize(reports.size() + 1, Column::kText);
  for (const Report& report : reports) {
    table.head.push_back(report.name);
  }
  for (const Difference& difference : found) {
    std::vector<std::string> row = {difference.key};
    row.insert(row.end(), difference.values.begin(), difference.values.end());
    table.rows.push_back(std::move(row));
  }
  return fmt::format(
      "<h2>Configuration</h2>\n<p class=\"soft\">Keys that are not the same in "
      "all.</p>\n{}",
      to_html(table));
}

std::string notes_section(const std::vector<Report>& reports) {
  std::string html;
  for (const Report& report : reports) {
    for (const std::string& note : report.notes) {
      html += fmt::format(
          "<p class=\"soft\">{}: {}</p>\n", escape(report.name), escape(note));
    }
  }
  return html;
}

double last_step(const std::vector<Report>& reports) {
  double last = 0;
  for (const Report& report : reports) {
    if (!report.metrics.lines.empty()) {
      last = std::max(last, step_of(report.metrics.lines.back()));
    }
  }
  return last;
}

std::string losses(const std::vector<Report>& reports, const Offer& offer) {
  constexpr const char* kAbout = "nats a token; dots: validation";
  const Times times = times_of(reports);
  return fmt::format(
      "{}{}{}",
      loss_figure(reports,
                  offer,
                  {.title = "Loss by step",
                   .about = kAbout,
                   .value = loss_of,
                   .positions = positions_by(reports, step_of)}),
      loss_figure(reports,
                  offer,
                  {.title = "Loss by tokens",
                   .about = kAbout,
                   .value = loss_of,
                   .positions = positions_by(reports, tokens_of),
                   .chart = {.x_name = "tokens"}}),
      loss_figure(
          reports,
          offer,
          {.title = "Loss by time",
           .about = fmt::format("{}; the time is that in steps", kAbout),
           .value = loss_of,
           .positions = times.positions,
           .chart = {.x_name = times.unit, .x_values = XValues::kAny}}));
}

std::string others(const std::vector<Report>& reports, const Offer& offer) {
  const Curves norm = {.title = "Gradient norm",
                       .value = norm_of,
                       .positions = positions_by(reports, step_of),
                       .chart = {.floor = Floor::kZero}};
  Curves rate = norm;
  rate.title = "Tokens a second";
  rate.value = rate_of;
  Curves learning_rate = norm;
  learning_rate.title = "Learning rate";
  learning_rate.value = learning_rate_of;
  // The learning rate has neither noise nor spikes.
  LineChart schedule = chart_of(reports, {}, learning_rate);
  schedule.limits = Limits::kAll;
  return fmt::format("{}{}{}",
                     figure(chart_of(reports, offer, norm),
                            "of all gradients, before clipping"),
                     figure(schedule, "of each update"),
                     figure(chart_of(reports, offer, rate), "of all ranks"));
}

std::string title_of(const std::vector<Report>& reports) {
  std::string title;
  for (const Report& report : reports) {
    title += fmt::format("{}{}", title.empty() ? "" : ", ", report.name);
  }
  return title;
}

}  // namespace

std::vector<Difference> differences(const std::vector<Report>& reports) {
  std::vector<std::vector<std::pair<std::string, std::string>>> settings;
  for (const Report& report : reports) {
    settings.push_back(train::settings_of(report.config));
  }
  std::vector<Difference> found;
  for (std::size_t key = 0; key < settings.at(0).size(); ++key) {
    Difference difference = {.key = settings[0][key].first};
    for (const auto& run : settings) {
      difference.values.push_back(run.at(key).second);
    }
    const auto& values = difference.values;
    if (std::count(values.begin(), values.end(), values[0]) <
        std::ssize(values)) {
      found.push_back(std::move(difference));
    }
  }
  return found;
}

std::string to_html(const std::vector<Report>& reports,
                    const Choices& choices) {
  const Offer offer = offer_of(choices, last_step(reports));
  return document(title_of(reports),
                  fmt::format("{}{}<section>\n<h2>Training</h2>\n{}<div "
                              "class=\"charts\">\n{}{}</div>\n</section>\n{}",
                              to_html(result_table(reports)),
                              notes_section(reports),
                              to_html(offer, "training"),
                              losses(reports, offer),
                              others(reports, offer),
                              difference_section(reports)));
}

}  // namespace dure::report
