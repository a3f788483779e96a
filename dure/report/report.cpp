#include "dure/report/report.h"

#include <fmt/core.h>

#include "dure/base/check.h"
#include "dure/config/load_config.h"
#include "dure/config/pipeline.h"
#include "dure/model/count.h"
#include "dure/report/curves.h"

namespace dure::report {
namespace {

// The writer in a configuration's first line, "# Written by dure 0.1.0
// (11b18689c1)".
std::string writer_of(const std::string& config_text) {
  const std::string begin = "# Written by ";
  if (!config_text.starts_with(begin)) {
    return "";
  }
  return config_text.substr(begin.size(),
                            config_text.find('\n') - begin.size());
}

// Whether the file exists; a missing one is noted.
bool is_there(const Path& file, const std::string& lost, Report& report) {
  if (std::filesystem::exists(file)) {
    return true;
  }
  report.notes.push_back(
      fmt::format("There is no {}{}", file.filename().string(), lost));
  return false;
}

void read_files(const Path& run, Report& report) {
  const Path metrics = run / "metrics.jsonl";
  if (is_there(metrics, " yet: no step was logged.", report)) {
    report.metrics = read_metrics(
        MappedFile(metrics, MappedFile::Access::kSequential).text(),
        metrics.string());
  }
  const Path starts = run / "run.json";
  if (std::filesystem::exists(starts)) {
    report.starts =
        train::read_starts(MappedFile(starts).text(), starts.string());
  }
  const Path memory = run / "memory.json";
  if (is_there(memory, " yet: a run writes it when it ends.", report)) {
    report.memory = read_memory(MappedFile(memory).text(), memory.string());
  }
}

// The ranks on rank 0's pipe axis.
std::vector<int> drawn_ranks(const Report& report) {
  return mesh_of(report).group(0, {mesh::Axis::kPipe});
}

void read_trace_of(const Path& run,
                   std::optional<std::int64_t> step,
                   Report& report) {
  const Path file = run / "trace.json";
  if (!report.config.log.trace ||
      !is_there(file, " yet: a run writes it when it ends.", report)) {
    return;
  }
  report.trace = read_trace(
      MappedFile(file, MappedFile::Access::kSequential).text(), file.string());
  if (!report.trace.actions.empty()) {
    report.pipeline = find_step(report.trace,
                                train::pipeline_of(report.config).schedule,
                                drawn_ranks(report),
                                step);
    if (!report.pipeline) {
      report.notes.push_back(fmt::format(
          "In trace.json there is no {} with all actions of the schedule.",
          step ? fmt::format("step {}", *step) : "step"));
    }
  }
  report.trace.actions = {};
  report.trace.steps = {};
}

}  // namespace

Report read_report(const Path& run, std::optional<std::int64_t> step) {
  const Path config = run / "config.toml";
  DURE_CHECK(std::filesystem::exists(config),
             "{} has no config.toml: wanted a directory that `dure train` "
             "wrote (log.directory)",
             run.string());
  const std::string text = read_regular_file(config);
  Report report = {
      .name = run.string(),
      .written_by = writer_of(text),
      .config = train::parse_config(text, config.string(), {}).config};
  report.parameters = model::count(report.config.model).published;
  read_files(run, report);
  read_trace_of(run, step, report);
  return report;
}

std::vector<Path> files_of(const Path& run) {
  std::vector<Path> files;
  for (const char* name : {"config.toml",
                           "metrics.jsonl",
                           "memory.json",
                           "run.json",
                           "trace.json"}) {
    files.push_back(run / name);
  }
  return files;
}

mesh::Mesh mesh_of(const Report& report) {
  return train::mesh_of(
      report.config.parallel,
      static_cast<int>(train::ranks_of(report.config.parallel)));
}

double training_seconds(const MetricsSeries& metrics) {
  return metrics.lines.empty() ? 0 : seconds_of(metrics).back();
}

}  // namespace dure::report
