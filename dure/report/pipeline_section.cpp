// A step of the pipeline, measured and planned, and where its time went.
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "dure/parallel/pipeline/draw.h"
#include "dure/report/markup.h"
#include "dure/report/sections.h"
#include "dure/report/ticks.h"

namespace dure::report {
namespace {

// With more boxes, browsers open a page slowly; Perfetto shows those.
constexpr std::size_t kMostBoxes = 20'000;
constexpr std::size_t kMostOperations = 25;
constexpr double kPixels = 1000;

std::size_t boxes(const parallel::Replay& replay) {
  std::size_t sum = 0;
  for (const auto& spans : replay.spans) {
    sum += spans.size();
  }
  return sum;
}

// The replay in milliseconds, the unit of step times.
parallel::Replay milliseconds(parallel::Replay replay) {
  replay.makespan *= 1e3;
  for (auto& spans : replay.spans) {
    for (auto& span : spans) {
      span.start *= 1e3;
      span.end *= 1e3;
    }
  }
  return replay;
}

std::string drawing(const PipelineStep& step,
                    const parallel::Replay& replay,
                    const std::string& title) {
  return fmt::format(
      "<div class=\"scroll\">{}</div>\n",
      parallel::draw_svg(step.options,
                         milliseconds(replay),
                         {.title = title,
                          .unit = "ms",
                          .until = 1e3 * std::max(step.measured.makespan,
                                                  step.planned.makespan),
                          .pixels = kPixels}));
}

std::vector<std::string> row_of(const std::string& name,
                                const parallel::Replay& replay) {
  return {
      name, seconds_text(replay.makespan), percent_text(bubble_share(replay))};
}

Table summary_table(const PipelineStep& step) {
  return {
      .head = {"", "makespan", "idle"},
      .columns = {Column::kText},
      .rows = {row_of("measured", step.measured),
               row_of("planned, every rank with the mean times", step.planned),
               row_of("planned, each rank with its own times", step.uneven)}};
}

Table rank_table(const PipelineStep& step) {
  Table table = {.head = {"place",
                          "rank",
                          "idle",
                          "idle, planned",
                          "idle, planned with own times"}};
  const auto share = [](const parallel::Replay& replay, std::size_t i) {
    return percent_text(replay.makespan > 0 ? replay.bubble[i] / replay.makespan
                                            : 0);
  };
  for (std::size_t i = 0; i < step.ranks.size(); ++i) {
    table.rows.push_back({std::to_string(i),
                          std::to_string(step.ranks[i]),
                          share(step.measured, i),
                          share(step.planned, i),
                          share(step.uneven, i)});
  }
  return table;
}

std::string about(const PipelineStep& step) {
  const parallel::ScheduleOptions& options = step.options;
  std::string text = fmt::format("Step {}: {}, {} ranks, {} micro-batches",
                                 step.step,
                                 parallel::name_of(options.kind),
                                 options.ranks,
                                 options.micro_batches);
  if (options.chunks > 1) {
    text += fmt::format(", {} chunks a rank", options.chunks);
  }
  text +=
      ". Planned: the same actions at the mean time of each pass that was "
      "measured, messages taking no time.";
  if (step.aligned) {
    text +=
        " The ranks' clocks differ: each one's step is drawn from its own "
        "start.";
  }
  return text;
}

std::string operations_table(const TraceEvents& trace) {
  std::vector<std::pair<std::pair<std::string, std::string>, OperationSum>>
      sums(trace.operations.begin(), trace.operations.end());
  std::stable_sort(sums.begin(), sums.end(), [](const auto& a, const auto& b) {
    return a.second.seconds > b.second.seconds;
  });
  sums.resize(std::min(sums.size(), kMostOperations));
  Table table = {.head = {"row", "operation", "calls", "time", "each"},
                 .columns = {Column::kText, Column::kText}};
  for (const auto& [name, sum] : sums) {
    table.rows.push_back(
        {name.first,
         name.second,
         grouped(sum.count),
         seconds_text(sum.seconds),
         seconds_text(sum.seconds / static_cast<double>(sum.count))});
  }
  return to_html(table);
}

}  // namespace

std::string pipeline_section(const Report& report) {
  if (!report.pipeline) {
    return "";
  }
  const PipelineStep& step = *report.pipeline;
  std::string html =
      fmt::format("<h2>Pipeline</h2>\n<p class=\"soft\">{}</p>\n{}",
                  escape(about(step)),
                  to_html(summary_table(step)));
  if (boxes(step.measured) <= kMostBoxes) {
    html += drawing(step, step.measured, "Measured") +
            drawing(step, step.planned, "Planned");
  } else {
    html +=
        "<p>There is more than a page can draw: open trace.json in "
        "Perfetto.</p>\n";
  }
  return html + folded("Table, by rank", rank_table(step));
}

std::string operations_section(const Report& report) {
  if (report.trace.operations.empty()) {
    return "";
  }
  return "<h2>Operations</h2>\n<p class=\"soft\">What took most time, of all "
         "ranks and all steps that trace.json has; rows run side by "
         "side.</p>\n" +
         operations_table(report.trace);
}

}  // namespace dure::report
