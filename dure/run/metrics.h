// metrics.jsonl: one JSON object a step; docs/formats/run.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "dure/base/files.h"
#include "dure/train/gradient_exponents.h"

namespace dure::train {

struct Metrics {
  std::int64_t step = 0;
  double loss = 0;
  double learning_rate = 0;
  double grad_norm = 0;
  std::int64_t tokens = 0;  // consumed so far
  double tokens_per_second = 0;
  double model_flops_utilization = 0;
  std::optional<double> validation_loss = {};
  std::optional<std::string> skipped = {};
  std::optional<double> loss_scale = {};  // of the step, where it is scaled
  std::optional<GradientExponents> gradient_exponents = {};
  // The bytes of this rank's collectives since the last line, by mesh axis and
  // kind (comm/traffic.h).
  std::map<std::string, std::map<std::string, std::uint64_t>> communicated = {};
};

// {"step":1,"loss":10.9,...}: numbers have all their digits, so that equal
// lines mean equal bits; null stands for one that is not finite.
std::string to_json(const Metrics& metrics);

// Adds the loss on the test data to the last line of a run that has ended.
void add_test_loss(const Path& metrics, double loss);
bool has_test_loss(const Path& metrics);

// Appends whole lines.
class MetricsFile {
 public:
  // Continues an existing file, without the lines of steps after `last_step`,
  // which a run wrote that was stopped after its last checkpoint. 0 starts
  // anew.
  MetricsFile(Path path, std::int64_t last_step);
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;
  ~MetricsFile();

  void append(const Metrics& metrics);

 private:
  Path path_;
  int descriptor_ = -1;
};

}  // namespace dure::train
