#include "dure/report/page.h"

#include <nlohmann/json.hpp>

#include "dure/base/check.h"
#include "dure/report/markup.h"
#include "dure/report/page_style.h"
#include "dure/report/sections.h"

namespace dure::report {
namespace {

using nlohmann::ordered_json;

std::string notes_section(const Report& report) {
  std::string html;
  for (const std::string& note : report.notes) {
    html += concat("<p class=\"soft\">", escape(note), "</p>\n");
  }
  return html;
}

// What is not finite becomes null.
ordered_json last_values(const train::Metrics& last) {
  return {{"step", last.step},
          {"loss", last.loss},
          {"learning_rate", last.learning_rate},
          {"grad_norm", last.grad_norm},
          {"tokens", last.tokens},
          {"tokens_per_second", last.tokens_per_second},
          {"model_flops_utilization", last.model_flops_utilization}};
}

ordered_json validations(const MetricsSeries& metrics) {
  ordered_json list = ordered_json::array();
  for (const train::Metrics& line : metrics.lines) {
    if (line.validation_loss) {
      list.push_back({{"step", line.step}, {"loss", *line.validation_loss}});
    }
  }
  return list;
}

ordered_json mesh_json(const mesh::Mesh& mesh) {
  ordered_json sizes = {{"ranks", mesh.size()}};
  for (int a = 0; a < mesh::kAxes; ++a) {
    const auto axis = static_cast<mesh::Axis>(a);
    sizes[mesh::name_of(axis)] = mesh.size(axis);
  }
  return sizes;
}

ordered_json memory_json(const std::vector<RankMemory>& memory) {
  ordered_json list = ordered_json::array();
  for (const RankMemory& rank : memory) {
    ordered_json peak;
    for (std::size_t c = 0; c < kCategories; ++c) {
      peak[name_of(static_cast<Category>(c))] = rank.peak[c];
    }
    list.push_back({{"rank", rank.rank},
                    {"peak_bytes", peak},
                    {"peak_total", rank.peak_total}});
  }
  return list;
}

ordered_json replay_json(const parallel::Replay& replay) {
  return {{"makespan", replay.makespan},
          {"bubble", replay.bubble},
          {"bubble_share", bubble_share(replay)}};
}

ordered_json pipeline_json(const std::optional<PipelineStep>& step) {
  if (!step) {
    return {};
  }
  return {{"step", step->step},
          {"schedule", parallel::name_of(step->options.kind)},
          {"virtual_stages", step->options.chunks},
          {"micro_batches", step->options.micro_batches},
          {"ranks", step->ranks},
          {"measured", replay_json(step->measured)},
          {"planned", replay_json(step->planned)},
          {"planned_with_own_times", replay_json(step->uneven)}};
}

}  // namespace

std::string to_html(const Report& report) {
  const std::string name = escape(report.name);
  return concat("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n",
                "<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" ",
                "content=\"width=device-width, initial-scale=1\"/>\n<title>",
                name,
                " - dure report</title>\n<style>",
                kStyle,
                "</style>\n</head>\n<body>\n<h1>",
                name,
                "</h1>\n",
                facts_section(report),
                notes_section(report),
                training_section(report),
                memory_section(report),
                communication_section(report),
                pipeline_section(report),
                operations_section(report),
                "</body>\n</html>\n");
}

std::string to_json(const Report& report) {
  const auto& lines = report.metrics.lines;
  ordered_json facts = {
      {"run", report.name},
      {"written_by", report.written_by},
      {"parameters", report.parameters},
      {"mesh", mesh_json(mesh_of(report))},
      {"zero", report.config.parallel.zero},
      {"steps", report.config.train.steps},
      {"last", lines.empty() ? ordered_json() : last_values(lines.back())},
      {"validation", validations(report.metrics)},
      {"seconds", training_seconds(report.metrics)},
      {"communicated", report.metrics.communicated},
      {"memory", memory_json(report.memory)},
      {"pipeline", pipeline_json(report.pipeline)},
      {"notes", report.notes},
  };
  return facts.dump(2, ' ', false, ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace dure::report
