// What a stage of a pipeline keeps of its activations, in bytes, before it is
// run: activation_memory.h, for what a schedule has in flight.
//
// A rank's peak is, in 1F1B and after it is full,
//
//   in flight x (a chunk's blocks + the micro-batch)     replay.h
//   + what runs                                          activation_memory.h
//   + streams on their way: of each edge to another rank the last kPendingSends
//     that it sent, and those that the next action and this one receive
//
// and in general the largest such sum along its program, which this adds up.
// Schedules that split backwards hold, from a first half to its second,
// deferred_bytes() a block, and within a first half both what is replaced and
// what replaces it: those are for the simulator (plan/predict.h).
#pragma once

#include <cstdint>
#include <span>

#include "dure/model/activation_memory.h"
#include "dure/model/weights.h"
#include "dure/parallel/pipeline/schedule.h"

namespace dure::model {

// Of a rank of the pipe axis that has these chunks, in their order (the first
// of its tensor ranks). Backwards are whole, checkpoints too. `config` must be
// resolved.
std::int64_t stage_activation_bytes(const ModelConfig& config,
                                    const StepShape& step,
                                    std::span<const UnitRange> chunks,
                                    const parallel::ScheduleOptions& schedule,
                                    int rank);

}  // namespace dure::model
