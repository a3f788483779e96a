// Reads the part of trace.json (docs/formats/run.md) that the report shows.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dure/parallel/pipeline/schedule.h"

namespace dure::report {

// An action of a rank's pipeline; kBackward stands for kInput, too. Times are
// seconds of a clock that ranks of one host share.
struct ActionEvent {
  int rank = 0;
  parallel::Action action = {};
  double start = 0;
  double seconds = 0;
};

struct StepEvent {
  int rank = 0;
  std::int64_t step = 0;
  double start = 0;
  double seconds = 0;
};

struct OperationSum {
  std::uint64_t count = 0;
  double seconds = 0;
};

struct TraceEvents {
  std::vector<ActionEvent> actions;  // in the order of the file
  std::vector<StepEvent> steps;
  // All other events of all ranks, by row and name.
  std::map<std::pair<std::string, std::string>, OperationSum> operations;
};

// Takes memory for the result, not for the text. Throws Error, beginning with
// "source:line" if the text is no JSON, else with "source: event N".
TraceEvents read_trace(std::string_view text, const std::string& source);

}  // namespace dure::report
