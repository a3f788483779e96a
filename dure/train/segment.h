// Steps that a schedule runs as one program.
//
// With a flush, a segment is one step: its program leaves the pipeline empty,
// and then all ranks update together. Without one, the stages of a pipeline are
// at different steps at any time; their weights are of one step again when the
// pipeline runs empty. A segment is the steps from one such point to the next:
// its program has all their micro-batches, with an update after those of each
// step. Every segment begins as a run does, with no micro-batch in flight
// (docs/pipeline.md).
#pragma once

#include <cstdint>
#include <vector>

#include "dure/config/config.h"
#include "dure/config/pipeline.h"
#include "dure/nn/parameter.h"

namespace dure::train {

struct Segment {
  parallel::Program program;
  // The version of the weights, by micro-batch; empty if there is only one.
  std::vector<int> versions;
  // By step: the visits of the actions since the update before, up to its own.
  std::vector<std::vector<nn::Visit>> visits;
};

// The program of a rank of the pipe axis for so many steps, of so many
// micro-batches each. If the schedule has a flush, it is one step.
Segment plan_segment(const Pipeline& pipeline,
                     int rank,
                     int micro_batches,
                     int steps);

// How many steps a run takes, after so many, before something needs weights of
// one step: evaluation, a checkpoint, a comparison of replicas, the end, or
// parallel.drain_every. All but the end are at fixed steps, so that a resumed
// run has the same segments. 1 for synchronous schedules.
std::int64_t steps_of_segment(const Config& config, std::int64_t step);

}  // namespace dure::train
