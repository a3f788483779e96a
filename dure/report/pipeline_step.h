// A pipeline's step as it ran, beside the step as it was scheduled.
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
  // The ranks of the run that were drawn, one for each place on the pipe axis.
  std::vector<int> ranks = {};
  bool aligned =
      false;  // clocks of hosts differ: every rank's step begins at 0

  // The measured step, in seconds. A bubble is the time in which a rank runs no
  // action.
  parallel::Replay measured = {};
  // A replay with each pass's mean time over all ranks and free messages: the
  // schedule's own bubble.
  parallel::Replay planned = {};
  // A replay with the mean times of each rank's own chunks, which adds the
  // bubble of uneven stages. The rest of the measured bubble is messages and
  // waiting.
  parallel::Replay uneven = {};
};

// The share of all ranks' time that is idle.
double bubble_share(const parallel::Replay& replay);

// The last step, or the `wanted` one, whose actions are all there, in the order
// of the schedule; nothing if there is none. The number of micro-batches is the
// step's, not that of `options`.
std::optional<PipelineStep> find_step(const TraceEvents& events,
                                      parallel::ScheduleOptions options,
                                      const std::vector<int>& ranks,
                                      std::optional<std::int64_t> wanted);

}  // namespace dure::report
