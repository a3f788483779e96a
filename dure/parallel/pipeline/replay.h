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
  double makespan = 0;
  std::vector<double> bubble;        // per rank: makespan less what it is busy
  std::vector<int> peak_in_flight;   // per rank: activations held at once, each
                                     // of a micro-batch of one chunk; until its
                                     // kWeight, where backwards are split
  std::vector<int> weight_versions;  // per rank, at once
  std::vector<std::vector<Span>> spans;  // per rank, in the order of time
};

// Runs all ranks' programs. Messages go as the executor sends them
// (executor.h): so what would hang there throws Error here, and names the rank
// and action that wait forever.
Replay replay(const ScheduleOptions& options, const PassTimes& times = {});
Replay replay(const ScheduleOptions& options,
              const std::vector<Program>& programs,
              const TimeOf& time_of,
              double message_seconds);

}  // namespace dure::parallel
