// Reads metrics.jsonl (docs/formats/run.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dure/run/metrics.h"

namespace dure::report {

// Bytes by mesh axis and kind of collective.
using Traffic = std::map<std::string, std::map<std::string, std::uint64_t>>;

struct MetricsSeries {
  // The lines, by ascending steps; null is read as NaN. Their communication is
  // only in `communicated`.
  std::vector<train::Metrics> lines;
  Traffic communicated;                  // all lines together
  std::optional<double> test_loss = {};  // of a run that has ended
};

// An incomplete last line, as a running run may have, is left out. Throws
// Error, beginning with "source:line", for any other line that is not one of
// metrics.
MetricsSeries read_metrics(std::string_view text, const std::string& source);

}  // namespace dure::report
