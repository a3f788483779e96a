#include "dure/parallel/pipeline/list_schedule.h"

#include <cassert>
#include <utility>

namespace dure::parallel {
namespace {

constexpr int kSlot = 4;  // ticks of the clock

// The end of each pass of a stage that has begun, by micro-batch.
struct Stage {
  std::vector<int> forward;
  std::vector<int> input;
  std::vector<int> weight;
};

class ListScheduler {
 public:
  ListScheduler(const ScheduleOptions& options, const ListRules& rules)
      : options_(options),
        rules_(rules),
        stages_(static_cast<std::size_t>(options.ranks) * options.chunks),
        free_(options.ranks),
        programs_(options.ranks) {
    assert(options.chunks == 1 ||
           (options.chunks == 2 && rules.most_of_first < rules.most));
  }

  std::vector<Program> run() && {
    const std::size_t all =
        stages_.size() * 3 * static_cast<std::size_t>(options_.micro_batches);
    for (std::size_t done = 0; done < all; ++now_) {
      for (int rank = 0; rank < options_.ranks; ++rank) {
        done += free_[rank] <= now_ && begin_one(rank) ? 1 : 0;
      }
    }
    return std::move(programs_);
  }

 private:
  using Passes = std::vector<int> Stage::*;

  static Passes passes(Pass pass) {
    return pass == Pass::kForward         ? &Stage::forward
           : pass == Pass::kInputGradient ? &Stage::input
                                          : &Stage::weight;
  }

  static int count(const std::vector<int>& ends) {
    return static_cast<int>(ends.size());
  }

  bool begin_one(int rank) {
    const Pass other =
        rules_.prefer == Pass::kForward ? Pass::kInputGradient : Pass::kForward;
    for (const Pass pass : {rules_.prefer, other, Pass::kWeightGradient}) {
      const int chunk = chunk_for(rank, pass);
      if (chunk >= 0) {
        std::vector<int>& ends =
            stages_[stage_of(options_, rank, chunk)].*passes(pass);
        programs_[rank].push_back(
            {.pass = pass, .chunk = chunk, .micro_batch = count(ends)});
        free_[rank] = now_ + kSlot;
        ends.push_back(free_[rank]);
        return true;
      }
    }
    return false;
  }

  // The first chunk that can go: forward the later one, backward the rules'
  // one, and for W the one that has done fewer. -1 if none can.
  int chunk_for(int rank, Pass pass) const {
    const int last = options_.chunks - 1;
    int first = pass == Pass::kForward ? last : rules_.back_first;
    if (pass == Pass::kWeightGradient) {
      first = weights(rank, last) < weights(rank, 0) ? last : 0;
    }
    for (const int chunk : {first, last - first}) {
      if (can(rank, chunk, pass)) {
        return chunk;
      }
    }
    return -1;
  }

  int weights(int rank, int chunk) const {
    return count(stages_[stage_of(options_, rank, chunk)].weight);
  }

  bool can(int rank, int chunk, Pass pass) const {
    const int s = stage_of(options_, rank, chunk);
    const Stage& stage = stages_[s];
    const int n = count(stage.*passes(pass));
    if (n == options_.micro_batches) {
      return false;
    }
    switch (pass) {
      case Pass::kForward:
        return has_room(rank, chunk) &&
               (s == 0 || has_come(rank, s - 1, &Stage::forward, n));
      case Pass::kInputGradient:
        return s + 1 == count_of_stages()
                   ? has_come(rank, s, &Stage::forward, n)
                   : has_come(rank, s + 1, &Stage::input, n);
      default:
        return n < count(stage.input);
    }
  }

  int count_of_stages() const { return static_cast<int>(stages_.size()); }

  // Whether a stage's output for a micro-batch is here.
  bool has_come(int rank, int from, Passes passes, int n) const {
    const std::vector<int>& ends = stages_[from].*passes;
    const bool is_here = place_of(options_, from).rank == rank;
    return n < count(ends) && ends[n] + (is_here ? 0 : rules_.message) <= now_;
  }

  bool has_room(int rank, int chunk) const {
    int held = 0;
    for (int c = 0; c < options_.chunks; ++c) {
      const Stage& stage = stages_[stage_of(options_, rank, c)];
      const int of_chunk = count(stage.forward) - count(stage.weight);
      if (c == 0 && chunk == 0 && of_chunk >= rules_.most_of_first) {
        return false;
      }
      held += of_chunk;
    }
    return held < rules_.most;
  }

  const ScheduleOptions& options_;
  const ListRules& rules_;
  std::vector<Stage> stages_;
  std::vector<int> free_;  // by rank: when it is free
  std::vector<Program> programs_;
  int now_ = 0;
};

}  // namespace

std::vector<Program> list_schedule(const ScheduleOptions& options,
                                   const ListRules& rules) {
  return ListScheduler(options, rules).run();
}

}  // namespace dure::parallel
