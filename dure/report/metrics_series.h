// metrics.jsonl (docs/formats/run.md), read back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dure/train/metrics.h"

namespace dure::report {

// Bytes by mesh axis and kind of collective.
using Traffic = std::map<std::string, std::map<std::string, std::uint64_t>>;

struct MetricsSeries {
  // In the order of their steps, which ascend; what was null is NaN. What each
  // communicated is in `communicated` alone.
  std::vector<train::Metrics> lines;
  Traffic communicated;                  // all lines together
  std::optional<double> test_loss = {};  // of a run that has ended
};

// A last line without its end, as a run that is being written has, is left out
// where it can't be read. Throws Error, which begins "source:line", for any
// other line that is not one of metrics.
MetricsSeries read_metrics(std::string_view text, const std::string& source);

}  // namespace dure::report
