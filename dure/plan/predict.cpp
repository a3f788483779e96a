#include "dure/plan/predict.h"

#include <algorithm>
#include <omp.h>

#include "dure/parallel/pipeline/replay.h"
#include "dure/plan/simulated.h"
#include "dure/train/pipeline.h"

namespace dure::plan {
namespace {

std::int64_t replicas_of(const train::Config& config) {
  return std::max<std::int64_t>(config.parallel.data, 1);
}

std::vector<int> peak_in_flight(const train::Pipeline& pipeline,
                                std::int64_t micro_batches) {
  return replay(schedule_of(pipeline, static_cast<int>(micro_batches)))
      .peak_in_flight;
}

train::Config with_micro_batches(train::Config config, std::int64_t count) {
  config.train.batch_rampup.clear();
  config.train.global_batch =
      count * config.train.micro_batch * replicas_of(config);
  return config;
}

// The threads of a rank that the configuration wants: scratch is by thread.
class Threads {
 public:
  explicit Threads(std::int64_t wanted) : before_(::omp_get_max_threads()) {
    if (wanted > 0) {
      ::omp_set_num_threads(static_cast<int>(wanted));
    }
  }
  ~Threads() { ::omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

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

}  // namespace

std::vector<int> first_ranks(const train::Config& config) {
  return simulated_rank(config, 0).mesh->group(0, {mesh::Axis::kPipe});
}

std::int64_t all_micro_batches(const train::Config& config) {
  return config.train.global_batch /
         (config.train.micro_batch * replicas_of(config));
}

// Until each is as the one before: the first finds nothing to add to, the
// second has the first one's buckets on their way. A pipeline fills within two
// rounds of p micro-batches, takes as long to become steady and to drain, and
// goes on in rounds; where it holds more than those have, as GPipe does, all.
std::int64_t enough_micro_batches(const train::Config& config) {
  const train::Pipeline pipeline = pipeline_of(config);
  const std::int64_t all = all_micro_batches(config);
  const std::int64_t few =
      std::max<std::int64_t>(3, 6 * config.parallel.pipeline);
  const bool enough = few < all && peak_in_flight(pipeline, few) ==
                                       peak_in_flight(pipeline, all);
  return enough ? few : all;
}

MemoryPrediction predict_rank_memory(const train::Config& config,
                                     int rank,
                                     MicroBatches micro_batches) {
  const Threads threads(config.train.threads);
  const std::int64_t count = micro_batches == MicroBatches::kAll
                                 ? all_micro_batches(config)
                                 : enough_micro_batches(config);
  Simulated run(simulated_rank(config, rank),
                with_micro_batches(config, count));
  run.step();
  run.step();
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
        return a.high_water < b.high_water;
      });
  return static_cast<int>(largest - stages.begin());
}

MemoryPrediction predict_memory(const train::Config& config) {
  const std::vector<MemoryPrediction> stages = predict_stage_memory(config);
  return stages[static_cast<std::size_t>(largest_stage(stages))];
}

std::vector<std::int64_t> weights_by_rank(const train::Config& config) {
  train::Rank rank(simulated_rank(config, 0));
  train::Trainer trainer(rank, config);
  const parallel::BucketPlan& plan = trainer.replica().store().plan();
  const bool shared = config.parallel.zero == 3;
  const int parts =
      shared ? trainer.replica().store().groups().part().count : 1;
  std::vector<std::int64_t> elements;
  for (int r = 0; r < rank.mesh().size(); ++r) {
    const int replica = rank.mesh().index(r, mesh::kReplicas);
    elements.push_back(0);
    for (const parallel::Slice& slice :
         slices_of(plan, {.index = replica % parts, .count = parts})) {
      elements.back() += slice.elements;
    }
  }
  return elements;
}

}  // namespace dure::plan
