#include "dure/train/pipeline.h"

#include <algorithm>

#include "dure/base/check.h"
#include "dure/model/stage_split.h"
#include "dure/train/ramp_up.h"
#include "dure/train/stages.h"

namespace dure::train {
namespace {

using model::Logits;
using model::UnitRange;
using nn::Uses;
using nn::Visit;
using parallel::Action;
using parallel::Pass;
using parallel::Program;
using parallel::ScheduleKind;

// The visits of one action, which model/decoder.h makes.
class Visits {
 public:
  Visits(int head, Logits logits, std::vector<Visit>& all)
      : head_(head), logits_(logits), all_(all) {}

  void add(const Action& action, const UnitRange& chunk) {
    switch (action.pass) {
      case Pass::kForward:
        forward(action.micro_batch, chunk);
        break;
      case Pass::kBackward:
      case Pass::kInput:
        backward(action.pass, action.micro_batch, chunk);
        break;
      case Pass::kWeight:
        weights(action.micro_batch, chunk);
        break;
      case Pass::kUpdate:
        break;
    }
  }

 private:
  bool has_matrices_to_defer(int unit) const {
    const int norm = head_ - 1;
    return unit == head_ ? logits_ == Logits::kDeferred
                         : unit > model::kEmbeddingUnit && unit < norm;
  }

  void forward(int micro_batch, const UnitRange& chunk) {
    for (int unit = chunk.first; unit < chunk.last; ++unit) {
      const bool all = unit == head_ && logits_ == Logits::kBlocks;
      all_.push_back({unit, all ? Uses::kBoth : Uses::kValues, micro_batch});
    }
  }

  // The embedding's reads nothing; a head's that is put off writes nothing yet.
  Uses backward_uses(Pass pass, int unit) const {
    if (unit == model::kEmbeddingUnit) {
      return Uses::kGradients;
    }
    const bool later =
        unit == head_ && pass == Pass::kInput && logits_ == Logits::kDeferred;
    return later ? Uses::kValues : Uses::kBoth;
  }

  void backward(Pass pass, int micro_batch, const UnitRange& chunk) {
    for (int unit = chunk.last - 1; unit >= chunk.first; --unit) {
      if (unit != head_ || logits_ != Logits::kBlocks) {
        all_.push_back({unit, backward_uses(pass, unit), micro_batch});
      }
    }
  }

  void weights(int micro_batch, const UnitRange& chunk) {
    for (int unit = chunk.last - 1; unit >= chunk.first; --unit) {
      if (has_matrices_to_defer(unit)) {
        all_.push_back({unit, Uses::kGradients, micro_batch});
      }
    }
  }

  int head_;
  Logits logits_;
  std::vector<Visit>& all_;
};

}  // namespace

std::vector<UnitRange> Pipeline::chunks(int rank) const {
  std::vector<UnitRange> ranges;
  for (int c = 0; c < schedule.chunks; ++c) {
    ranges.push_back(
        stages[static_cast<std::size_t>(stage_of(schedule, rank, c))]);
  }
  return ranges;
}

int Pipeline::rank_of(int unit) const {
  const auto stage =
      std::find_if(stages.begin(), stages.end(), [&](const UnitRange& range) {
        return range.has(unit);
      });
  return place_of(schedule, static_cast<int>(stage - stages.begin())).rank;
}

Pipeline pipeline_of(const Config& config) {
  const ParallelConfig& parallel = config.parallel;
  Pipeline pipeline{
      .schedule = {.kind = parallel.schedule,
                   .stages = static_cast<int>(parallel.pipeline),
                   .chunks = static_cast<int>(parallel.virtual_stages)},
      .stages = {},
      .logits = keeping(config).logits};
  pipeline.stages =
      stages_of(config, pipeline.schedule.stages * pipeline.schedule.chunks);
  return pipeline;
}

Pipeline forward_pipeline(const model::ModelConfig& config, int ranks) {
  return {.schedule = {.kind = ScheduleKind::kGpipe, .stages = ranks},
          .stages = model::split_units(config, {}, ranks),
          .logits = Logits::kBlocks};
}

namespace {

void validate_one_micro_batch(const Config& config) {
  const std::int64_t samples = config.train.micro_batch * config.parallel.data;
  if (config.train.global_batch != samples) {
    throw UsageError(concat(
        "parallel.schedule \"pipedream\" updates after every micro-batch: "
        "wanted train.global_batch to be train.micro_batch times the ranks "
        "that share it, ",
        config.train.micro_batch,
        " x ",
        config.parallel.data,
        " = ",
        samples,
        ", got ",
        config.train.global_batch,
        "; parallel.schedule \"pipedream-2bw\" takes parallel.pipeline = ",
        config.parallel.pipeline,
        " micro-batches or more an update"));
  }
}

}  // namespace

void validate_pipeline(const Config& config) {
  const Pipeline pipeline = pipeline_of(config);
  const std::int64_t samples = config.train.micro_batch * config.parallel.data;
  if (pipeline.schedule.kind == ScheduleKind::kPipedream) {
    validate_one_micro_batch(config);
  }
  for (const std::int64_t batch : global_batches(config.train)) {
    parallel::validate(
        schedule_of(pipeline, static_cast<int>(batch / samples)));
  }
}

parallel::ScheduleOptions schedule_of(const Pipeline& pipeline,
                                      int micro_batches) {
  parallel::ScheduleOptions options = pipeline.schedule;
  options.micro_batches = micro_batches;
  options.per_update = micro_batches;
  return options;
}

// As many at a time through every chunk as there are ranks: so a rank that has
// the next stage, too, is back at it when they come.
Program forward_program(const Pipeline& pipeline, int micro_batches) {
  Program program;
  const int group = pipeline.schedule.stages;
  for (int first = 0; first < micro_batches; first += group) {
    const int last = std::min(first + group, micro_batches);
    for (int chunk = 0; chunk < pipeline.schedule.chunks; ++chunk) {
      for (int m = first; m < last; ++m) {
        program.push_back({Pass::kForward, chunk, m});
      }
    }
  }
  return program;
}

std::vector<Visit> visits_of(std::span<const Action> program,
                             const Pipeline& pipeline,
                             int rank) {
  const std::vector<UnitRange> chunks = pipeline.chunks(rank);
  std::vector<Visit> all;
  Visits visits(pipeline.stages.back().last - 1, pipeline.logits, all);
  for (const Action& action : program) {
    visits.add(action, chunks[static_cast<std::size_t>(action.chunk)]);
  }
  return all;
}

}  // namespace dure::train
