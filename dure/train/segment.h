// Steps that a schedule runs as one program.
//
// With a flush, a segment is one step: its program leaves the pipeline empty,
// and then all ranks update together. Without one, the stages of a pipeline are
// at different steps at any time; weights are of one step again where it runs
// empty. A segment is the steps from one such point to the next: its program is
// of all their micro-batches, with an update after those of each. Every segment
// begins as a run does, with no micro-batches under way (docs/pipeline.md).
#pragma once

#include <cstdint>
#include <vector>

#include "dure/nn/parameter.h"
#include "dure/train/config.h"
#include "dure/train/pipeline.h"

namespace dure::train {

struct Segment {
  parallel::Program program;
  // Of the weights, by micro-batch; empty where there is one version.
  std::vector<int> versions;
  // By step: of the actions up to its update, from the one before.
  std::vector<std::vector<nn::Visit>> visits;
};

// What a rank of the pipe axis does in so many steps, of so many micro-batches
// each; one step, where the schedule has a flush.
Segment plan_segment(const Pipeline& pipeline,
                     int rank,
                     int micro_batches,
                     int steps);

// How many steps a run takes from here, after so many, before something needs
// the weights of one step: evaluation, a checkpoint, a comparison of replicas,
// the end, or parallel.drain_every. All but the end are at fixed steps, so that
// a resumed run has the same segments. 1 where schedules are synchronous.
std::int64_t steps_of_segment(const Config& config, std::int64_t step);

}  // namespace dure::train
