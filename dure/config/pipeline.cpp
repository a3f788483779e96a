#include "dure/config/pipeline.h"

#include <algorithm>

#include "dure/base/check.h"
#include "dure/config/ramp_up.h"
#include "dure/config/stage_units.h"
#include "dure/model/stage_split.h"

namespace dure::train {
namespace {

using model::UnitRange;
using nn::Visit;
using parallel::Action;
using parallel::Pass;
using parallel::Program;
using parallel::ScheduleKind;

// Adds the visits of one action.
void add_visits(const Pipeline& pipeline,
                const UnitRange& chunk,
                const Action& action,
                std::vector<Visit>& all) {
  const auto add = [&](int unit) {
    const model::UnitSpec& spec = pipeline.units[unit];
    if (const auto access = spec.accesses.of(action.pass)) {
      all.push_back({unit, *access, action.micro_batch});
    }
  };
  if (action.pass == Pass::kForward) {
    for (int unit = chunk.first; unit < chunk.last; ++unit) {
      add(unit);
    }
  } else {
    for (int unit = chunk.last - 1; unit >= chunk.first; --unit) {
      add(unit);
    }
  }
}

}  // namespace

std::vector<UnitRange> Pipeline::chunks(int rank) const {
  std::vector<UnitRange> ranges;
  for (int c = 0; c < schedule.chunks; ++c) {
    ranges.push_back(stages[stage_of(schedule, rank, c)]);
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
                   .ranks = static_cast<int>(parallel.pipeline),
                   .chunks = static_cast<int>(parallel.virtual_stages)},
      .units = model::units(config.model, activation_policy(config)),
      .stages = {}};
  pipeline.stages =
      stages_of(config, pipeline.schedule.ranks * pipeline.schedule.chunks);
  return pipeline;
}

Pipeline forward_pipeline(const model::ModelConfig& config, int ranks) {
  return {.schedule = {.kind = ScheduleKind::kGpipe, .ranks = ranks},
          .units = model::units(config),
          .stages = model::split_units(config, {}, ranks)};
}

namespace {

void validate_one_micro_batch(const Config& config) {
  const std::int64_t ranks = ranks_of(config.parallel, mesh::kSamples);
  const std::int64_t samples = config.train.micro_batch * ranks;
  if (config.train.global_batch != samples) {
    throw UsageError(
        "parallel.schedule \"pipedream\" updates after every "
        "micro-batch: wanted train.global_batch to be "
        "train.micro_batch times the ranks that share it, {} x {} "
        "= {}, got {}; parallel.schedule \"pipedream-2bw\" takes "
        "parallel.pipeline = {} micro-batches or more an update",
        config.train.micro_batch,
        ranks,
        samples,
        config.train.global_batch,
        config.parallel.pipeline);
  }
}

}  // namespace

void validate_pipeline(const Config& config) {
  const Pipeline pipeline = pipeline_of(config);
  const std::int64_t samples =
      config.train.micro_batch * ranks_of(config.parallel, mesh::kSamples);
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
  options.micro_batches_per_update = micro_batches;
  return options;
}

// Sends rounds of as many micro-batches as there are ranks through every chunk,
// so a rank that also has the next stage is back at it when they come.
Program forward_program(const Pipeline& pipeline, int micro_batches) {
  Program program;
  const int group = pipeline.schedule.ranks;
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
  for (const Action& action : program) {
    add_visits(pipeline, chunks[action.chunk], action, all);
  }
  return all;
}

parallel::Boundaries boundaries_of(const Pipeline& pipeline,
                                   std::int64_t columns,
                                   DType dtype) {
  parallel::Boundaries boundaries;
  for (const UnitRange& stage :
       std::span(pipeline.stages).first(pipeline.stages.size() - 1)) {
    std::vector<parallel::StreamSpec>& streams = boundaries.emplace_back();
    const model::UnitSpec& last = pipeline.units[stage.last - 1];
    for (const parallel::StreamName name : last.hands_on) {
      streams.push_back({.name = name, .columns = columns, .dtype = dtype});
    }
  }
  return boundaries;
}

}  // namespace dure::train
