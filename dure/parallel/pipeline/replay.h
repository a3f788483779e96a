// Replays a pipeline's programs against a clock: time, bubble, memory.
#pragma once

#include <functional>
#include <vector>

#include "dure/parallel/pipeline/schedule.h"

namespace dure::parallel {

// Times of all layers of a rank; a chunk takes a v-th. kInputGradient and
// kWeightGradient together take the backward's time if it is split.
struct PassTimes {
  double forward = 1;
  double backward = 2;
  double input = 1;
  double weight = 1;
  double update = 0;
  double message = 0;  // from one rank to another
};

// Seconds, or slots, of an action on a rank, for example measured ones.
using TimeOf = std::function<double(int rank, const Action& action)>;

struct Span {
  Action action;
  double start = 0;
  double end = 0;
};

struct Replay {
  double makespan = 0;  // from the first action's start to the last one's end
  // The time from one program's start to the next one's, if ranks go from
  // program to program without waiting for one another: the longest time of a
  // rank from its first action's start to its last one's end. It is less than
  // the makespan if every rank starts later than the one before and ends later
  // (zb-2p).
  double period = 0;
  // Per rank: the period less its busy time.
  std::vector<double> bubble = {};
  // Per rank: the most activations held at once, each of one micro-batch and
  // chunk; they are held until kWeightGradient if backwards are split.
  std::vector<int> peak_in_flight = {};
  // Per rank: the most weight versions at once, in a long program.
  std::vector<int> weight_versions = {};
  // Per rank, in the order of time.
  std::vector<std::vector<Span>> spans = {};
};

// Runs all ranks' programs, in time that grows only with their length. Messages
// go as the executor sends them (executor.h; kPendingSends), so a program that
// would hang there throws Error here, with the ranks and actions that wait
// forever.
Replay replay(const ScheduleOptions& options, const PassTimes& times = {});
Replay replay(const ScheduleOptions& options,
              const std::vector<Program>& programs,
              const TimeOf& time_of,
              double message_seconds);

}  // namespace dure::parallel
