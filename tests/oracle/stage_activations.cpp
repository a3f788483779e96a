#include "tests/oracle/stage_activations.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace dure::model {
namespace {

using parallel::Action;
using parallel::Pass;
using parallel::ScheduleOptions;

// A chunk of the model.
struct Chunk {
  std::int64_t blocks = 0;
  bool has_embedding = false;
  bool has_head = false;
};

Chunk chunk_of(const ModelConfig& config, const UnitRange& range) {
  const std::vector<UnitSpec> all = units(config);
  Chunk chunk;
  for (int unit = range.first; unit < range.last; ++unit) {
    const UnitSpec& spec = all[unit];
    chunk.blocks += spec.layer == "block" ? 1 : 0;
    chunk.has_embedding = chunk.has_embedding || spec.layer == "embedding";
    chunk.has_head = chunk.has_head || spec.makes_loss;
  }
  return chunk;
}

class Walk {
 public:
  Walk(const ModelConfig& config,
       const StepShape& step,
       std::span<const UnitRange> chunks,
       const ScheduleOptions& schedule,
       int rank)
      : sizes_(activation_sizes(config, step)),
        schedule_(schedule),
        rank_(rank) {
    for (const UnitRange& units : chunks) {
      chunks_.push_back(chunk_of(config, units));
    }
  }

  std::int64_t run() {
    const parallel::Program program = program_of(schedule_, rank_);
    take(sizes_.step);
    for (std::size_t i = 0; i < program.size(); ++i) {
      if (i == 0) {
        post(program[0]);
      }
      if (i + 1 < program.size()) {
        post(program[i + 1]);
      }
      run(program[i]);
    }
    return peak_;
  }

 private:
  using Edge = std::pair<int, int>;  // from a stage to a neighbour

  void take(std::int64_t bytes) {
    now_ += bytes;
    peak_ = std::max(peak_, now_);
  }
  void free(std::int64_t bytes) { now_ -= bytes; }

  // The neighbouring stage of an action, if it is on another rank.
  std::optional<Edge> edge(const Action& action, bool is_input) const {
    const int stage = stage_of(schedule_, rank_, action.chunk);
    const int step = (action.pass == Pass::kForward) == is_input ? -1 : 1;
    const int other = stage + step;
    if (other < 0 || other >= schedule_.ranks * schedule_.chunks ||
        place_of(schedule_, other).rank == rank_) {
      return std::nullopt;
    }
    return is_input ? Edge{other, stage} : Edge{stage, other};
  }

  void post(const Action& action) {
    if (edge(action, true)) {
      take(sizes_.stream);
    }
  }

  // For each edge the last kPendingSends stay in memory.
  void give(const Action& action) {
    const std::optional<Edge> to = edge(action, false);
    if (to && ++sent_[*to] > parallel::kPendingSends) {
      free(sizes_.stream);
    }
  }

  void run(const Action& action) {
    const Chunk& chunk = chunks_[action.chunk];
    if (action.pass == Pass::kForward) {
      forward(chunk);
    } else {
      assert(action.pass == Pass::kBackward);
      backward(chunk);
    }
    give(action);
  }

  bool keeps_logits() const { return sizes_.logits > 0; }

  // The input is the first block's; the output stays in memory.
  void forward(const Chunk& chunk) {
    if (++in_flight_ > most_in_flight_) {
      most_in_flight_ = in_flight_;
      take(sizes_.micro_batch);
    }
    if (chunk.has_embedding) {
      take(sizes_.stream);
    }
    for (std::int64_t i = 0; i < chunk.blocks; ++i) {
      take(sizes_.stream);
      take(sizes_.block - sizes_.stream);
      free(sizes_.block - sizes_.kept);
    }
    if (chunk.has_head) {  // the norm's output; its gradient, or the logits
      take(sizes_.stream + sizes_.statistics);
      take(keeps_logits() ? sizes_.logits : sizes_.stream);
    }
  }

  // Works in place on the incoming gradient, or on the head's.
  void backward(const Chunk& chunk) {
    if (chunk.has_head) {
      take(keeps_logits() ? sizes_.stream : 0);
      free(2 * sizes_.stream + sizes_.statistics + sizes_.logits);
    }
    for (std::int64_t i = 0; i < chunk.blocks; ++i) {
      take(sizes_.running);
      free(sizes_.running + sizes_.kept);
    }
    if (chunk.has_embedding) {
      free(sizes_.stream);
    }
    --in_flight_;
  }

  ActivationSizes sizes_;
  ScheduleOptions schedule_;
  int rank_;
  std::vector<Chunk> chunks_;
  std::map<Edge, int> sent_;
  int in_flight_ = 0;
  int most_in_flight_ = 0;
  std::int64_t now_ = 0;
  std::int64_t peak_ = 0;
};

}  // namespace

std::int64_t stage_activation_bytes(const ModelConfig& config,
                                    const StepShape& step,
                                    std::span<const UnitRange> chunks,
                                    const parallel::ScheduleOptions& schedule,
                                    int rank) {
  return Walk(config, step, chunks, schedule, rank).run();
}

}  // namespace dure::model
