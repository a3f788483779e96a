// A pipeline's programs against a clock: how long, how idle, how much memory.
#pragma once

#include <functional>
#include <vector>

#include "dure/parallel/pipeline/schedule.h"

namespace dure::parallel {

// Of a whole rank's layers; a chunk takes a v-th. kInput and kWeight share the
// backward's time as given.
struct PassTimes {
  double forward = 1;
  double backward = 2;
  double input = 1;
  double weight = 1;
  double update = 0;
  double message = 0;  // from one rank to another
};

// Seconds, or slots, of an action on a rank: measured ones, say.
using TimeOf = std::function<double(int rank, const Action& action)>;

struct Span {
  Action action;
  double start = 0;
  double end = 0;
};

struct Replay {
  double makespan = 0;  // from the first action's start to the last one's end
  // From one program's start to the next one's, where ranks go on from program
  // to program without waiting for one another: the longest that a rank takes
  // from its first action to the end of its last. Less than the makespan where
  // every rank starts later than the one before and ends later (zb-2p).
  double period = 0;
  // Per rank: the period less what it is busy.
  std::vector<double> bubble = {};
  // Per rank: activations held at once, each of a micro-batch of one chunk;
  // until its kWeight, where backwards are split.
  std::vector<int> peak_in_flight = {};
  // Per rank, at once, in a long program.
  std::vector<int> weight_versions = {};
  // Per rank, in the order of time.
  std::vector<std::vector<Span>> spans = {};
};

// Runs all ranks' programs, in time that grows with their length alone.
// Messages go as the executor sends them (executor.h; kPendingSends): so what
// would hang there throws Error here, and names the ranks and actions that wait
// forever.
Replay replay(const ScheduleOptions& options, const PassTimes& times = {});
Replay replay(const ScheduleOptions& options,
              const std::vector<Program>& programs,
              const TimeOf& time_of,
              double message_seconds);

}  // namespace dure::parallel
