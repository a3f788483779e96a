// The facts about a training run, from the files it wrote.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dure/base/files.h"
#include "dure/config/config.h"
#include "dure/mesh/mesh.h"
#include "dure/report/memory_peaks.h"
#include "dure/report/metrics_series.h"
#include "dure/report/pipeline_step.h"
#include "dure/report/trace_events.h"
#include "dure/run/run_facts.h"

namespace dure::report {

struct Report {
  std::string name = {};        // of the run: its directory
  std::string written_by = {};  // "dure 0.1.0 (11b18689c1)"; empty: not known
  train::Config config = {};
  std::int64_t parameters = 0;
  MetricsSeries metrics = {};
  std::vector<train::RunStart> starts = {};  // none of Dure 0.1
  std::vector<RankMemory> memory = {};       // none before the run ended
  TraceEvents trace = {};                    // without the actions and steps
  std::optional<PipelineStep> pipeline = {};
  // Sentences that say what is missing, and why.
  std::vector<std::string> notes = {};
};

// Reads a run's directory, with the pipeline's last complete step, or `step`.
// Only config.toml must exist. Throws Error, with the file and, where possible,
// the line, for a file that can't be read.
Report read_report(const Path& run,
                   std::optional<std::int64_t> step = std::nullopt);

// The files that read_report() reads, whether they exist or not.
std::vector<Path> files_of(const Path& run);

mesh::Mesh mesh_of(const Report& report);

// The seconds from the first to the last line, by the lines' rates: without
// evaluation, checkpoints and pauses.
double training_seconds(const MetricsSeries& metrics);

}  // namespace dure::report
