#include "dure/plan/predict.h"

#include <algorithm>
#include <map>

#include "dure/config/pipeline.h"
#include "dure/parallel/pipeline/replay.h"
#include "dure/plan/simulated.h"
#include "dure/train/options.h"
#include "dure/train/segment.h"

namespace dure::plan {
namespace {

std::vector<int> peak_in_flight(const train::Pipeline& pipeline,
                                std::int64_t micro_batches) {
  return replay(schedule_of(pipeline, static_cast<int>(micro_batches)))
      .peak_in_flight;
}

bool is_searched(parallel::ScheduleKind schedule) {
  return schedule == parallel::ScheduleKind::kZb2p ||
         schedule == parallel::ScheduleKind::kZbV;
}

train::Config with_micro_batches(train::Config config, std::int64_t count) {
  config.train.batch_rampup.clear();
  config.train.global_batch = count * config.train.micro_batch *
                              ranks_of(config.parallel, mesh::kSamples);
  return config;
}

// The weights that the ranks of a stage hold together, for one tensor rank's
// part.
struct StageWeights {
  parallel::BucketPlan plan;
  std::vector<mesh::AxisSet> axes;  // by Bucket::replicas
  std::vector<std::int64_t> parts;  // parts that each is held in

  std::int64_t held_by(const mesh::Mesh& mesh, int rank) const {
    parallel::Parts own;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      own.push_back(
          {.index = mesh.index(rank, axes[i]) % parts[i], .count = parts[i]});
    }
    std::int64_t elements = 0;
    for (const parallel::Slice& slice : slices_of(plan, own)) {
      elements += slice.elements;
    }
    return elements;
  }
};

// The weights of the stage that a rank belongs to.
StageWeights weights_of(const train::Config& config, int rank) {
  train::Rank on(simulated_rank(config, rank));
  train::RankModel rank_model(on,
                              config.model,
                              0,
                              nn::Phase::kEvaluate,
                              store_options(config),
                              pipeline_of(config));
  const parallel::ParameterStore& store = rank_model.store();
  StageWeights weights = {.plan = store.plan(),
                          .axes = {store.axes().begin(), store.axes().end()},
                          .parts = {}};
  for (const parallel::ReplicaGroups& groups : store.groups()) {
    weights.parts.push_back(config.parallel.zero == 3 ? groups.part().count
                                                      : 1);
  }
  return weights;
}

MemoryPrediction memory_of(const Arena& arena) {
  MemoryPrediction memory;
  for (std::size_t c = 0; c < kCategories; ++c) {
    memory.peak_bytes[c] = arena.ledger().peak(static_cast<Category>(c));
  }
  memory.peak_total = arena.ledger().peak();
  memory.high_water = arena.high_water();
  memory.between_steps = arena.ledger().current();
  return memory;
}

// The steps until a schedule without a flush holds all versions of its weights.
// The first stage has the longest delay of d updates, and holds them after d +
// 1 steps, if as many micro-batches follow.
int steps_of_run(const train::Config& config) {
  const int delay =
      parallel::weight_staleness(pipeline_of(config).schedule, /*rank=*/0);
  return static_cast<int>(std::min<std::int64_t>(std::int64_t{2} * (delay + 1),
                                                 steps_of_segment(config, 0)));
}

}  // namespace

std::vector<int> first_ranks(const train::Config& config) {
  return simulated_rank(config, 0).mesh->group(0, mesh::kStages);
}

std::int64_t all_micro_batches(const train::Config& config) {
  return config.train.global_batch /
         (config.train.micro_batch * ranks_of(config.parallel, mesh::kSamples));
}

// The micro-batches until each is like the one before. The first finds nothing
// to add to, the second has the first one's buckets in flight. A pipeline fills
// within two rounds of p micro-batches, takes as long to become steady and to
// drain, and goes on in rounds. If it holds more than those have, as GPipe
// does, all are run; also if the order of the whole program is searched for,
// which has no rounds.
namespace {

// With ranked sums a tied head's gradients of every micro-batch are held to the
// end of the step (parallel/data/tied.h).
bool holds_every_summand(const train::Config& config,
                         const train::Pipeline& pipeline) {
  return config.model.tie_embeddings &&
         config.parallel.sums == comm::SumOrder::kRanked &&
         pipeline.rank_of(pipeline.whole_model().first) !=
             pipeline.rank_of(pipeline.whole_model().last - 1);
}

}  // namespace

std::int64_t enough_micro_batches(const train::Config& config) {
  const train::Pipeline pipeline = pipeline_of(config);
  const std::int64_t all = all_micro_batches(config);
  const std::int64_t few =
      std::max<std::int64_t>(3, 6 * config.parallel.pipeline);
  if (few >= all || is_searched(config.parallel.schedule) ||
      holds_every_summand(config, pipeline)) {
    return all;
  }
  return peak_in_flight(pipeline, few) == peak_in_flight(pipeline, all) ? few
                                                                        : all;
}

MemoryPrediction predict_rank_memory(const train::Config& config,
                                     int rank,
                                     MicroBatches micro_batches) {
  const std::int64_t count = micro_batches == MicroBatches::kAll
                                 ? all_micro_batches(config)
                                 : enough_micro_batches(config);
  Simulated run(simulated_rank(config, rank),
                with_micro_batches(config, count));
  run.steps(steps_of_run(config));
  run.steps(steps_of_run(config));
  return memory_of(run.rank().arena);
}

std::vector<MemoryPrediction> predict_stage_memory(const train::Config& config,
                                                   MicroBatches micro_batches) {
  std::vector<MemoryPrediction> stages;
  for (const int rank : first_ranks(config)) {
    stages.push_back(predict_rank_memory(config, rank, micro_batches));
  }
  return stages;
}

int largest_stage(std::span<const MemoryPrediction> stages) {
  const auto largest = std::max_element(
      stages.begin(), stages.end(), [](const auto& a, const auto& b) {
        return a.peak_total < b.peak_total;
      });
  return static_cast<int>(largest - stages.begin());
}

MemoryPrediction predict_memory(const train::Config& config) {
  const std::vector<MemoryPrediction> stages = predict_stage_memory(config);
  return stages[largest_stage(stages)];
}

std::vector<std::int64_t> weights_by_rank(const train::Config& config) {
  const mesh::Mesh mesh = *simulated_rank(config, 0).mesh;
  std::map<int, StageWeights> stages;
  std::vector<std::int64_t> elements;
  for (int rank = 0; rank < mesh.size(); ++rank) {
    const int stage = mesh.index(rank, mesh::kStages);
    if (!stages.contains(stage)) {
      stages.emplace(stage, weights_of(config, rank));
    }
    elements.push_back(stages.at(stage).held_by(mesh, rank));
  }
  return elements;
}

}  // namespace dure::plan
