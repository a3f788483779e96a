#include "dure/report/report_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "dure/report/comparison.h"

namespace dure::report {
namespace {

using nlohmann::ordered_json;

// Values that are not finite become null.
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

ordered_json shares_json(const train::ExponentHistogram& histogram) {
  return {{"below_least", histogram.share_below(train::kLeastOfFp16)},
          {"below_normal", histogram.share_below(train::kLeastNormalOfFp16)}};
}

// Lists the steps whose gradients were counted.
ordered_json exponents_json(const MetricsSeries& metrics) {
  ordered_json list = ordered_json::array();
  for (const train::Metrics& line : metrics.lines) {
    if (line.gradient_exponents) {
      const train::GradientExponents& exponents = *line.gradient_exponents;
      list.push_back({{"step", line.step},
                      {"elements", exponents.elements()},
                      {"zeros", exponents.zeros},
                      {"nonfinite", exponents.nonfinite},
                      {"unscaled", shares_json(exponents.unscaled)}});
      if (exponents.scaled) {
        list.back()["scaled"] = shares_json(*exponents.scaled);
      }
    }
  }
  return list;
}

std::int64_t skipped_updates(const MetricsSeries& metrics) {
  return std::ranges::count_if(metrics.lines, [](const train::Metrics& line) {
    return line.skipped.has_value();
  });
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

ordered_json json_of(const Report& report) {
  const auto& lines = report.metrics.lines;
  return {
      {"run", report.name},
      {"written_by", report.written_by},
      {"parameters", report.parameters},
      {"mesh", mesh_json(mesh_of(report))},
      {"zero", report.config.parallel.zero},
      {"steps", report.config.train.steps},
      {"last", lines.empty() ? ordered_json() : last_values(lines.back())},
      {"validation", validations(report.metrics)},
      {"test_loss",
       report.metrics.test_loss ? ordered_json(*report.metrics.test_loss)
                                : ordered_json()},
      {"skipped", skipped_updates(report.metrics)},
      {"gradient_exponents", exponents_json(report.metrics)},
      {"seconds", training_seconds(report.metrics)},
      {"starts", report.starts},
      {"communicated", report.metrics.communicated},
      {"memory", memory_json(report.memory)},
      {"pipeline", pipeline_json(report.pipeline)},
      {"notes", report.notes},
  };
}

// Bytes that are not UTF-8 become U+FFFD.
std::string text_of(const ordered_json& json) {
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace

std::string to_json(const Report& report) {
  return text_of(json_of(report));
}

std::string to_json(const std::vector<Report>& reports) {
  ordered_json runs = ordered_json::array();
  for (const Report& report : reports) {
    runs.push_back(json_of(report));
  }
  ordered_json different = ordered_json::object();
  for (const Difference& difference : differences(reports)) {
    different[difference.key] = difference.values;
  }
  return text_of({{"runs", runs}, {"different", different}});
}

}  // namespace dure::report
