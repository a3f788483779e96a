#include "dure/report/sections.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <utility>

#include "dure/mesh/draw.h"
#include "dure/model/family.h"
#include "dure/report/bar_chart.h"
#include "dure/report/markup.h"
#include "dure/report/ticks.h"
#include "dure/report/wall_time.h"

namespace dure::report {
namespace {

// The ranks that are drawn: those with the most. The table has all.
constexpr std::size_t kMostBars = 32;

std::string legend_of(const std::vector<Figure::Entry>& entries) {
  std::string html = "<ul class=\"legend\">";
  for (const Figure::Entry& entry : entries) {
    html += fmt::format("<li><i class=\"{}\"></i>{}</li>",
                        series_class(entry.series),
                        escape(entry.name));
  }
  return html + "</ul>\n";
}

std::vector<Figure::Entry> legend_of_parts(
    const std::vector<std::string>& names) {
  std::vector<Figure::Entry> legend;
  for (const std::string& name : names) {
    legend.push_back({.name = name, .series = legend.size()});
  }
  return legend;
}

std::vector<std::string> category_names() {
  std::vector<std::string> names;
  for (std::size_t c = 0; c < kCategories; ++c) {
    names.emplace_back(name_of(static_cast<Category>(c)));
  }
  return names;
}

Table memory_table(const std::vector<RankMemory>& memory) {
  Table table = {.head = category_names()};
  table.head.insert(table.head.begin(), "rank");
  table.head.emplace_back("all at one time");
  for (const RankMemory& rank : memory) {
    std::vector<std::string> row = {std::to_string(rank.rank)};
    for (const std::size_t bytes : rank.peak) {
      row.push_back(grouped(bytes));
    }
    row.push_back(grouped(rank.peak_total));
    table.rows.push_back(std::move(row));
  }
  return table;
}

// The kinds of collective on any axis.
std::vector<std::string> kinds_of(const Traffic& traffic) {
  std::set<std::string> kinds;
  for (const auto& [axis, by_kind] : traffic) {
    for (const auto& [kind, bytes] : by_kind) {
      kinds.insert(kind);
    }
  }
  return {kinds.begin(), kinds.end()};
}

}  // namespace

std::string to_html(const Figure& figure) {
  return fmt::format(
      "<figure class=\"{}\">\n<figcaption>{} <small>{}</small></figcaption>\n"
      "{}{}{}</figure>\n",
      figure.style,
      escape(figure.name),
      escape(figure.about),
      figure.legend.empty() ? "" : legend_of(figure.legend),
      figure.drawing,
      figure.table);
}

std::string model_text(const Report& report) {
  const model::ModelConfig& model = report.config.model;
  const std::string name =
      model.preset.empty() ? model.family->name : model.preset;
  return fmt::format("{}: {} layers, hidden {}, {} heads",
                     name,
                     model.layers,
                     model.hidden,
                     model.heads);
}

std::string mesh_text(const Report& report) {
  const mesh::Mesh mesh = mesh_of(report);
  std::string text = mesh::describe_sizes(mesh);
  if (report.config.parallel.pipeline > 1) {
    text +=
        fmt::format(", {}", parallel::name_of(report.config.parallel.schedule));
  }
  if (report.config.parallel.sequence) {
    text += ", sequence cut";
  }
  if (report.config.parallel.zero > 0) {
    text += fmt::format(", ZeRO {}", report.config.parallel.zero);
  }
  return text;
}

std::string last_validation(const MetricsSeries& metrics) {
  for (auto line = metrics.lines.rbegin(); line != metrics.lines.rend();
       ++line) {
    if (line->validation_loss) {
      return fmt::format("{} at step {}",
                         short_text(*line->validation_loss),
                         grouped(line->step));
    }
  }
  return "none was taken";
}

std::string facts_section(const Report& report) {
  const auto& lines = report.metrics.lines;
  const train::Metrics last = lines.empty() ? train::Metrics{} : lines.back();
  std::vector<std::pair<std::string, std::string>> facts = {
      {"model", model_text(report)},
      {"parameters", grouped(static_cast<std::uint64_t>(report.parameters))},
      {"mesh", mesh_text(report)},
      {"steps",
       fmt::format(
           "{} of {}", grouped(last.step), grouped(report.config.train.steps))},
      {"tokens", grouped(last.tokens)},
      {"loss", lines.empty() ? "none yet" : short_text(last.loss)},
      {"validation loss", last_validation(report.metrics)},
      {"time in steps", seconds_text(training_seconds(report.metrics))}};
  if (report.metrics.test_loss) {
    facts.emplace_back("test loss", short_text(*report.metrics.test_loss));
  }
  if (!report.starts.empty()) {
    facts.emplace_back("wall time", wall_time_text(report.starts));
  }
  if (!report.written_by.empty()) {
    facts.emplace_back("written by", report.written_by);
  }
  std::string html = "<dl class=\"facts\">\n";
  for (const auto& [name, value] : facts) {
    html += fmt::format(
        "<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value));
  }
  return html + "</dl>\n";
}

std::string memory_section(const Report& report) {
  if (report.memory.empty()) {
    return "";
  }
  std::vector<RankMemory> most = report.memory;
  std::stable_sort(
      most.begin(), most.end(), [](const RankMemory& a, const RankMemory& b) {
        return a.peak_total > b.peak_total;
      });
  most.resize(std::min(most.size(), kMostBars));
  std::stable_sort(
      most.begin(), most.end(), [](const RankMemory& a, const RankMemory& b) {
        return a.rank < b.rank;
      });
  BarChart chart = {.title = "Peak bytes by category and rank",
                    .parts = category_names(),
                    .mark_name = "at one time"};
  for (const RankMemory& rank : most) {
    chart.bars.push_back(
        {.name = fmt::format("rank {}", rank.rank),
         .parts = std::vector<double>(rank.peak.begin(), rank.peak.end()),
         .mark = static_cast<double>(rank.peak_total)});
  }
  const std::string about =
      report.memory.size() > kMostBars
          ? fmt::format("of the {} ranks that took most", kMostBars)
          : "by rank";
  return "<h2>Memory</h2>\n<p class=\"soft\">Each category has its peak at its "
         "own time; the upright line is the most of all at one time.</p>\n" +
         to_html(Figure{
             .name = "Peak bytes",
             .about = about,
             .legend = legend_of_parts(chart.parts),
             .drawing = to_html(chart),
             .table = folded("Table, in bytes", memory_table(report.memory)),
             .style = "wide"});
}

std::string communication_section(const Report& report) {
  const Traffic& traffic = report.metrics.communicated;
  if (traffic.empty()) {
    return "";
  }
  BarChart chart = {.title = "Bytes a step by axis and kind of collective",
                    .parts = kinds_of(traffic)};
  Table table = {.head = {"axis", "collective", "bytes a step", "bytes in all"},
                 .columns = {Column::kText, Column::kText}};
  const auto steps = static_cast<double>(report.metrics.lines.back().step);
  for (const auto& [axis, by_kind] : traffic) {
    Bar bar = {.name = axis};
    for (const std::string& kind : chart.parts) {
      const auto found = by_kind.find(kind);
      const std::uint64_t bytes = found == by_kind.end() ? 0 : found->second;
      bar.parts.push_back(static_cast<double>(bytes) / steps);
      if (bytes > 0) {
        table.rows.push_back({axis,
                              kind,
                              bytes_text(bar.parts.back()),
                              bytes_text(static_cast<double>(bytes))});
      }
    }
    chart.bars.push_back(std::move(bar));
  }
  return "<h2>Communication</h2>\n<p class=\"soft\">What rank 0's collectives "
         "were of, by mesh axis, on average over the steps; start, evaluation "
         "and saving are in it.</p>\n" +
         to_html(Figure{.name = "Bytes a step",
                        .about = "by axis and kind",
                        .legend = legend_of_parts(chart.parts),
                        .drawing = to_html(chart),
                        .table = to_html(table),
                        .style = "wide"});
}

}  // namespace dure::report
