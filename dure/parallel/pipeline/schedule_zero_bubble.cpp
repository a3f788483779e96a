// Schedules that split backwards: nobody waits for the gradients of a rank's
// own weights (W), so they fill the slots in which a rank would wait.
#include <algorithm>
#include <limits>
#include <optional>

#include "dure/base/check.h"
#include "dure/parallel/pipeline/families.h"
#include "dure/parallel/pipeline/list_schedule.h"
#include "dure/parallel/pipeline/replay.h"

namespace dure::parallel {

// 1F1B with the W of rank r deferred by r micro-batches. So rank r holds p: p -
// r micro-batches in flight and r whose W is to come.
Program zb_h1_program(const ScheduleOptions& options, int rank) {
  Program program;
  for (Action action : one_f_one_b_program(options, rank)) {
    const int n = action.micro_batch;
    if (action.pass == Pass::kForward) {
      program.push_back(action);
      continue;
    }
    program.push_back({.pass = Pass::kInputGradient, .micro_batch = n});
    if (n >= rank && n + 1 < options.micro_batches) {
      program.push_back(
          {.pass = Pass::kWeightGradient, .micro_batch = n - rank});
    }
  }
  const int done = std::max(options.micro_batches - 1 - rank, 0);
  for (int n = done; n < options.micro_batches; ++n) {
    program.push_back({.pass = Pass::kWeightGradient, .micro_batch = n});
  }
  return program;
}

// 2 p - 1 micro-batches go forward before the first comes back.
std::vector<Program> zb_2p_programs(const ScheduleOptions& options) {
  const int most = 2 * options.ranks - 1;
  return list_schedule(options, {.most = most, .most_of_first = most});
}

namespace {

// Programs that just fit when messages take no time fall behind a little at
// every micro-batch when they take some, so programs are judged by both.
// Programs that need more than kPendingSends hang, and cost infinity.
double cost(const ScheduleOptions& options,
            const std::vector<Program>& programs) {
  const TimeOf half = [](int, const Action&) { return 0.5; };
  try {
    return replay(options, programs, half, 0).makespan +
           replay(options, programs, half, 0.25).makespan;
  } catch (const Error&) {
    return std::numeric_limits<double>::infinity();
  }
}

ListRules best_rules(const ScheduleOptions& options) {
  const int p = options.ranks;
  std::optional<double> least;
  ListRules best;
  for (const int most_of_first : {p, std::min(p + 1, 2 * p - 1), 2 * p - 1}) {
    for (const Pass prefer : {Pass::kForward, Pass::kInputGradient}) {
      for (const int back_first : {0, 1}) {
        const ListRules rules = {.most = 2 * p,
                                 .most_of_first = most_of_first,
                                 .prefer = prefer,
                                 .back_first = back_first,
                                 .message = 1};
        const double found = cost(options, list_schedule(options, rules));
        if (!least || found < *least) {
          least = found;
          best = rules;
        }
      }
    }
  }
  return best;
}

}  // namespace

// Access the memory of 1F1B's p micro-batches, of two chunks each. For long
// programs the best is searched on a part, because the order repeats.
std::vector<Program> zb_v_programs(const ScheduleOptions& options) {
  ScheduleOptions part = options;
  part.micro_batches = std::min(options.micro_batches,
                                128 + options.micro_batches % options.ranks);
  return list_schedule(options, best_rules(part));
}

}  // namespace dure::parallel
