// A pipeline's step as it ran, beside the step as its schedule has it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dure/parallel/pipeline/replay.h"
#include "dure/report/trace_events.h"

namespace dure::report {

struct PipelineStep {
  std::int64_t step = 0;
  parallel::ScheduleOptions options = {};
  // Of the whole run that was drawn, a rank a place on the pipe axis.
  std::vector<int> ranks = {};
  bool aligned =
      false;  // clocks of hosts differ: every rank's step begins at 0

  // Seconds. A bubble is the time in which a rank is in no action.
  parallel::Replay measured = {};
  // With the mean time of each pass, the same on every rank; messages take no
  // time: the schedule's own bubble.
  parallel::Replay planned = {};
  // With the mean times of each rank's own chunks: the bubble also of stages
  // that differ. What measured has on top of it are messages and waiting.
  parallel::Replay uneven = {};
};

// The share of all ranks' time that is idle.
double bubble_share(const parallel::Replay& replay);

// The last step, or the `wanted` one, of which all actions are there, in the
// order of the schedule; nothing where there is none. Of `options` the number
// of micro-batches is not looked at: it is what the step had.
std::optional<PipelineStep> find_step(const TraceEvents& events,
                                      parallel::ScheduleOptions options,
                                      const std::vector<int>& ranks,
                                      std::optional<std::int64_t> wanted);

}  // namespace dure::report
