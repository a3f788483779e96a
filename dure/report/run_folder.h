// For tests: a directory like one that a run writes.
#pragma once

#include <filesystem>
#include <fmt/core.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <unistd.h>
#include <vector>

#include "dure/base/files.h"
#include "dure/config/load_config.h"
#include "dure/run/memory_report.h"
#include "dure/run/metrics.h"
#include "dure/run/run_facts.h"

namespace dure::report {

// A run's directory, which is removed on destruction.
class RunFolder {
 public:
  explicit RunFolder(const std::string& name = "run")
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("dure_report_{}_{}", ::getpid(), name)) {
    std::filesystem::remove_all(path_);
    make_directories(path_);
  }
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  ~RunFolder() { std::filesystem::remove_all(path_); }

  const Path& path() const { return path_; }
  void put(const char* name, const std::string& text) const {
    write_file_atomically(path_ / name, text);
  }

 private:
  Path path_;
};

inline std::string config_text(const std::vector<std::string>& sets = {}) {
  train::LoadedConfig loaded = train::parse_config(
      "[model]\nlayers = 2\nhidden = 32\nheads = 2\n"
      "vocabulary = 1000\n[train]\nsteps = 50\n"
      "global_batch = 4\n"
      "[parallel]\ntensor = 2\nzero = 1\n",
      "test",
      sets);
  train::take_ranks(loaded, 4);
  return "# Written by dure <1> (abc)\n" + train::to_toml(loaded);
}

inline std::string metrics_text(int steps) {
  std::string text;
  for (int step = 1; step <= steps; ++step) {
    train::Metrics metrics = {.step = step,
                              .loss = 8.0 / step,
                              .learning_rate = 1e-3,
                              .grad_norm = 1.0 / step,
                              .tokens = 100 * step,
                              .tokens_per_second = 50,
                              .model_flops_utilization = 0.5};
    if (step % 10 == 0) {
      metrics.validation_loss = 8.5 / step;
    }
    if (step == 3) {
      metrics.skipped = "the \"<gradient>\"";
      metrics.grad_norm = std::numeric_limits<double>::infinity();
    }
    metrics.communicated = {{"data", {{"all_reduce", 1024}}},
                            {"tensor", {{"all_gather", 2048}}}};
    text += train::to_json(metrics) + "\n";
  }
  return text;
}

inline std::string memory_text(int ranks) {
  Ledger ledger;
  ledger.add(Category::kParameters, 3 << 20);
  ledger.add(Category::kActivations, 1 << 20);
  std::vector<std::string> texts;
  for (int rank = 0; rank < ranks; ++rank) {
    texts.push_back(train::memory_json(rank, ledger));
  }
  return train::memory_json(texts);
}

// The text of a run with two starts, the second of which resumes.
inline std::string starts_text() {
  train::RunStart start = {
      .time = "2026-01-02T03:04:05Z",
      .written_by = "dure <1> (abc)",
      .ranks = 4,
      .back_end = "mpi",
      .hosts = {{.name = "host<1>",
                 .processor = "Fast & 9",
                 .cores = 4,
                 .threads = 8,
                 .memory = std::uint64_t{1} << 35,
                 .ranks = {0, 1, 2}},
                {.name = "host<2>", .ranks = {3}}},
      .data = {.tokenizer = "tok/<x>",
               .sequence = 16,
               .train_samples = 1200,
               .epochs = 2,
               .files = {{.part = "train",
                          .prefix = "data/<text>",
                          .documents = 50,
                          .tokens = 12345}}},
      .end = train::RunEnd{
          .time = "2026-01-02T03:07:25Z", .seconds = 200, .step = 20}};
  train::RunStart resumed = start;
  resumed.step = 20;
  resumed.end = {};
  return nlohmann::ordered_json(std::vector<train::RunStart>{start, resumed})
      .dump();
}

}  // namespace dure::report
