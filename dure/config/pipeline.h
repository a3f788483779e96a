// A run's pipeline: which stages each rank has, and its schedule.
#pragma once

#include <span>
#include <vector>

#include "dure/config/config.h"
#include "dure/model/weights.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/pipeline/schedule.h"
#include "dure/parallel/pipeline/streams.h"

namespace dure::train {

struct Pipeline {
  // Which stages each rank has, and the schedule; micro-batches are a step's.
  parallel::ScheduleOptions schedule;
  std::vector<model::UnitSpec> units;    // of the model
  std::vector<model::UnitRange> stages;  // in the order of the forward pass

  // The units of each chunk of a rank of the pipe axis, in that order.
  std::vector<model::UnitRange> chunks(int rank) const;

  // The rank of the pipe axis that has a unit.
  int rank_of(int unit) const;

  model::UnitRange whole_model() const {
    return {.first = 0, .last = static_cast<int>(units.size())};
  }
};

// The pipeline by parallel.pipeline, virtual_stages, schedule and split. Throws
// UsageError if the layers can't be split so.
Pipeline pipeline_of(const Config& config);

// A pipeline that only goes forward, over so many ranks: even stages, one a
// rank.
Pipeline forward_pipeline(const model::ModelConfig& config, int ranks);

// Throws UsageError if the schedule can't take the number of micro-batches that
// a rank has in a step. parallel.data must be known.
void validate_pipeline(const Config& config);

// The schedule of one step, of so many micro-batches.
parallel::ScheduleOptions schedule_of(const Pipeline& pipeline,
                                      int micro_batches);

// The forward only, for evaluation and generation.
parallel::Program forward_program(const Pipeline& pipeline, int micro_batches);

// The streams between the stages, with so many columns and this type.
parallel::Boundaries boundaries_of(const Pipeline& pipeline,
                                   std::int64_t columns,
                                   DType dtype);

// The units that a rank visits in a program, in order, as its stacks do
// (model/stack.h).
std::vector<nn::Visit> visits_of(std::span<const parallel::Action> program,
                                 const Pipeline& pipeline,
                                 int rank);

}  // namespace dure::train
