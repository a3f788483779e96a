// Schedules that split backwards: what a rank's own weights need (W) waits for
// no one, and fills the slots in which a rank would wait.
#include <algorithm>
#include <cassert>
#include <utility>

#include "dure/parallel/pipeline/families.h"

namespace dure::parallel {

// 1F1B with the W of rank r put off by r micro-batches: so rank r holds, with
// p - r micro-batches on their way and r whose W is to come, p.
Program zb_h1_program(const ScheduleOptions& options, int rank) {
  Program program;
  for (Action action : one_f_one_b_program(options, rank)) {
    const int n = action.micro_batch;
    if (action.pass == Pass::kForward) {
      program.push_back(action);
      continue;
    }
    program.push_back({.pass = Pass::kInput, .micro_batch = n});
    if (n >= rank && n + 1 < options.micro_batches) {
      program.push_back({.pass = Pass::kWeight, .micro_batch = n - rank});
    }
  }
  const int done = std::max(options.micro_batches - 1 - rank, 0);
  for (int n = done; n < options.micro_batches; ++n) {
    program.push_back({.pass = Pass::kWeight, .micro_batch = n});
  }
  return program;
}

namespace {

// Whether a rank that can do either goes forward or backward.
enum class Prefer : std::uint8_t { kForward, kBackward };

struct Slots {
  std::vector<Program> programs;
  int count = 0;
};

// A list scheduler over slots; F, B and W of a chunk take one each. In a slot
// each rank goes back or forward where it can, and does a W where not. It holds
// at most `most` micro-batches of a chunk, of them so many of its first chunks
// that each later one finds a place: so no schedule hangs, for the oldest
// micro-batch can always go on.
class ListScheduler {
 public:
  ListScheduler(const ScheduleOptions& options, int most, Prefer prefer)
      : options_(options),
        most_(most),
        prefer_(prefer),
        done_(static_cast<std::size_t>(options.stages) * options.chunks),
        programs_(options.stages) {}

  Slots run() && {
    int count = 0;
    std::vector<std::pair<int, Action>> chosen;  // by rank
    while (choose(chosen)) {
      for (const auto& [rank, action] : chosen) {
        count_of(stage_of(options_, rank, action.chunk), action.pass) += 1;
        programs_[rank].push_back(action);
      }
      ++count;
    }
    return {.programs = std::move(programs_), .count = count};
  }

 private:
  struct Done {
    int forward = 0;
    int input = 0;
    int weight = 0;
  };

  int& count_of(int stage, Pass pass) {
    Done& done = done_[stage];
    return pass == Pass::kForward ? done.forward
           : pass == Pass::kInput ? done.input
                                  : done.weight;
  }

  // What each rank does in a slot, from what is done before it.
  bool choose(std::vector<std::pair<int, Action>>& chosen) {
    chosen.clear();
    const Pass first =
        prefer_ == Prefer::kForward ? Pass::kForward : Pass::kInput;
    const Pass second =
        prefer_ == Prefer::kForward ? Pass::kInput : Pass::kForward;
    for (int rank = 0; rank < options_.stages; ++rank) {
      for (const Pass pass : {first, second, Pass::kWeight}) {
        const int chunk = chunk_for(rank, pass);
        if (chunk >= 0) {
          const int stage = stage_of(options_, rank, chunk);
          chosen.push_back({rank,
                            {.pass = pass,
                             .chunk = chunk,
                             .micro_batch = count_of(stage, pass)}});
          break;
        }
      }
    }
    return !chosen.empty();
  }

  // Of those that can, the last chunk forward, the first back, and of W the one
  // that has done fewer. -1: none can.
  int chunk_for(int rank, Pass pass) const {
    int found = -1;
    for (int chunk = 0; chunk < options_.chunks; ++chunk) {
      const int stage = stage_of(options_, rank, chunk);
      if (pass == Pass::kForward ? goes_forward(rank, chunk)
          : pass == Pass::kInput ? found < 0 && goes_back(stage)
                                 : has_weight(rank, stage, found)) {
        found = chunk;
      }
    }
    return found;
  }

  bool goes_forward(int rank, int chunk) const {
    const int stage = stage_of(options_, rank, chunk);
    const int arrived =
        stage == 0 ? options_.micro_batches : done_[stage - 1].forward;
    return done_[stage].forward < arrived && has_room(rank, chunk);
  }

  bool has_room(int rank, int chunk) const {
    int held = 0;
    for (int c = 0; c < options_.chunks; ++c) {
      const Done& done = done_[stage_of(options_, rank, c)];
      held += done.forward - done.weight;
      if (c >= chunk && held >= most_ - (options_.chunks - 1 - c)) {
        return false;
      }
    }
    return true;
  }

  bool goes_back(int stage) const {
    const int last = options_.stages * options_.chunks - 1;
    const int arrived =
        stage == last ? done_[last].forward : done_[stage + 1].input;
    return done_[stage].input < arrived;
  }

  bool has_weight(int rank, int stage, int other) const {
    const Done& done = done_[stage];
    return done.weight < done.input &&
           (other < 0 ||
            done.weight < done_[stage_of(options_, rank, other)].weight);
  }

  const ScheduleOptions& options_;
  const int most_;
  const Prefer prefer_;
  std::vector<Done> done_;  // by stage
  std::vector<Program> programs_;
};

}  // namespace

// 2 p - 1 are as many as go forward before the first comes back.
std::vector<Program> zb_2p_programs(const ScheduleOptions& options) {
  assert(options.chunks == 1);
  return ListScheduler(options, 2 * options.stages - 1, Prefer::kBackward)
      .run()
      .programs;
}

// The memory of 1F1B's p micro-batches, of two chunks. Which preference is the
// better depends on p and m.
std::vector<Program> zb_v_programs(const ScheduleOptions& options) {
  assert(options.chunks == 2);
  const int most = 2 * options.stages;
  Slots forward = ListScheduler(options, most, Prefer::kForward).run();
  Slots backward = ListScheduler(options, most, Prefer::kBackward).run();
  return std::move(forward.count < backward.count ? forward : backward)
      .programs;
}

}  // namespace dure::parallel
