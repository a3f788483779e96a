// The activation memory of a pipeline stage, in bytes, before it is run:
// activation_memory.h, for the micro-batches that a schedule has in flight.
//
// In 1F1B, once the pipeline is full, a rank's peak is
//
//   in flight x (a chunk's blocks + the micro-batch)     replay.h
//   + what runs                                          activation_memory.h
//   + streams in flight: for each edge to another rank the last kPendingSends
//     that it sent, and those that this action and the next one receive
//
// and in general the largest such sum along its program, which this computes.
// Schedules that split backwards hold deferred_bytes() a block from a first
// half to its second, and within a first half both the old and the new tensors:
// those are for the simulator (plan/predict.h).
#pragma once

#include <cstdint>
#include <span>

#include "dure/model/weights.h"
#include "dure/parallel/pipeline/schedule.h"
#include "tests/oracle/activation_memory.h"

namespace dure::model {

// The bytes of a rank of the pipe axis that has these chunks, in their order
// (the first of its tensor ranks). Backwards are not split, and saved inputs
// are whole. `config` must be resolved.
std::int64_t stage_activation_bytes(const ModelConfig& config,
                                    const StepShape& step,
                                    std::span<const UnitRange> chunks,
                                    const parallel::ScheduleOptions& schedule,
                                    int rank);

}  // namespace dure::model
