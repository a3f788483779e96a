// trace.json (docs/formats/run.md), read back: what the report shows of it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dure/parallel/pipeline/schedule.h"

namespace dure::report {

// Of a rank's pipeline; kBackward stands for kInput, too. Seconds of a clock
// that ranks of one host share.
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
  std::vector<ActionEvent> actions;  // as they come in the file
  std::vector<StepEvent> steps;
  // Everything else, of all ranks, by row and name.
  std::map<std::pair<std::string, std::string>, OperationSum> operations;
};

// Takes memory for what is kept, not for the text. Throws Error, which begins
// "source:line" where the text is no JSON, else "source: event N".
TraceEvents read_trace(std::string_view text, const std::string& source);

}  // namespace dure::report
