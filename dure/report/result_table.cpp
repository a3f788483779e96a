#include "dure/report/result_table.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <optional>
#include <string>

#include "dure/base/arithmetic.h"
#include "dure/report/curves.h"
#include "dure/report/sections.h"
#include "dure/report/ticks.h"
#include "dure/report/wall_time.h"

namespace dure::report {
namespace {

constexpr const char* kNone = "none";

std::string loss_text(double loss) {
  return std::isfinite(loss) ? fmt::format("{:.4f}", loss) : "not finite";
}

std::string last_loss(const Report& report) {
  const auto& lines = report.metrics.lines;
  return lines.empty() ? "none yet" : loss_text(lines.back().loss);
}

std::string least_validation(const Report& report) {
  const std::vector<Point> points = validation_points(report.metrics);
  const auto least = std::min_element(
      points.begin(), points.end(), [](const Point& a, const Point& b) {
        return a.y < b.y;
      });
  return least == points.end()
             ? "none was taken"
             : fmt::format("{} at step {}", loss_text(least->y), least->x);
}

std::string test_loss(const Report& report) {
  return report.metrics.test_loss ? loss_text(*report.metrics.test_loss)
                                  : kNone;
}

// The median, because the first steps are slower than all others, which would
// move a mean.
std::optional<double> median(const Report& report,
                             double (*value)(const train::Metrics&)) {
  std::vector<double> values;
  for (const train::Metrics& line : report.metrics.lines) {
    if (std::isfinite(value(line))) {
      values.push_back(value(line));
    }
  }
  if (values.empty()) {
    return std::nullopt;
  }
  return dure::median(std::move(values));
}

std::string rate(const Report& report) {
  const auto value = median(report, rate_of);
  return value ? short_text(*value) : kNone;
}

std::string utilization(const Report& report) {
  const auto value = median(report, utilization_of);
  return value ? percent_text(*value / 100) : kNone;
}

std::string steps(const Report& report) {
  const auto& lines = report.metrics.lines;
  return fmt::format(
      "{} of {}",
      grouped(
          static_cast<std::uint64_t>(lines.empty() ? 0 : lines.back().step)),
      grouped(static_cast<std::uint64_t>(report.config.train.steps)));
}

std::string tokens(const Report& report) {
  const auto& lines = report.metrics.lines;
  return grouped(
      static_cast<std::uint64_t>(lines.empty() ? 0 : lines.back().tokens));
}

std::string most_memory(const Report& report) {
  std::size_t most = 0;
  for (const RankMemory& rank : report.memory) {
    most = std::max(most, rank.peak_total);
  }
  return report.memory.empty() ? kNone : bytes_text(static_cast<double>(most));
}

std::string hosts(const Report& report) {
  if (report.starts.empty()) {
    return "not known";
  }
  const auto& all = report.starts.back().hosts;
  std::string text;
  for (std::size_t i = 0; i < all.size() && i < 3; ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", all[i].name);
    text +=
        all[i].processor.empty() ? "" : fmt::format(" ({})", all[i].processor);
  }
  return all.size() > 3 ? fmt::format("{} and {} more", text, all.size() - 3)
                        : text;
}

std::string wall(const Report& report) {
  return report.starts.empty() ? "not known" : wall_time_text(report.starts);
}

// The last step that all runs have, or nothing.
std::optional<std::int64_t> common_step(const std::vector<Report>& reports) {
  for (auto line = reports[0].metrics.lines.rbegin();
       line != reports[0].metrics.lines.rend();
       ++line) {
    const std::int64_t step = line->step;
    const auto has = [step](const Report& report) {
      const auto& lines = report.metrics.lines;
      const auto found = std::lower_bound(
          lines.begin(),
          lines.end(),
          step,
          [](const train::Metrics& a, std::int64_t s) { return a.step < s; });
      return found != lines.end() && found->step == step;
    };
    if (std::all_of(reports.begin(), reports.end(), has)) {
      return step;
    }
  }
  return std::nullopt;
}

double loss_at(const Report& report, std::int64_t step) {
  const auto& lines = report.metrics.lines;
  return std::find_if(lines.begin(),
                      lines.end(),
                      [step](const auto& line) { return line.step == step; })
      ->loss;
}

struct Row {
  const char* name;
  std::string (*text)(const Report&);
};
constexpr Row kRows[] = {
    {"model", model_text},
    {"parameters",
     [](const Report& report) {
       return grouped(static_cast<std::uint64_t>(report.parameters));
     }},
    {"mesh", mesh_text},
    {"steps", steps},
    {"tokens", tokens},
    {"last training loss", last_loss},
    {"last validation loss",
     [](const Report& report) { return last_validation(report.metrics); }},
    {"least validation loss", least_validation},
    {"test loss", test_loss},
    {"tokens a second, median", rate},
    {"model FLOPs utilization, median", utilization},
    {"time in steps",
     [](const Report& report) {
       return seconds_text(training_seconds(report.metrics));
     }},
    {"wall time", wall},
    {"most memory of a rank", most_memory},
    {"hosts", hosts},
    {"written by", [](const Report& report) { return report.written_by; }},
};

std::vector<std::string> row_of(
    const std::string& name,
    const std::vector<Report>& reports,
    const std::function<std::string(const Report&)>& text) {
  std::vector<std::string> row = {name};
  for (const Report& report : reports) {
    row.push_back(text(report));
  }
  return row;
}

}  // namespace

Table result_table(const std::vector<Report>& reports) {
  Table table = {.head = {""}};
  table.columns.resize(reports.size() + 1, Column::kText);
  for (const Report& report : reports) {
    table.head.push_back(report.name);
  }
  for (const Row& row : kRows) {
    table.rows.push_back(row_of(row.name, reports, row.text));
  }
  const auto step = common_step(reports);
  if (step) {
    const auto place = table.rows.begin() + 6;  // after the last loss
    table.rows.insert(
        place,
        row_of(fmt::format("training loss at step {}, the last that all have",
                           grouped(static_cast<std::uint64_t>(*step))),
               reports,
               [&](const Report& report) {
                 return loss_text(loss_at(report, *step));
               }));
  }
  return table;
}

}  // namespace dure::report
