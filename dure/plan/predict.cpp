#include "dure/plan/predict.h"

#include <algorithm>
#include <limits>
#include <omp.h>

#include "dure/train/trainer.h"

namespace dure::plan {
namespace {

// Samples of a model that nobody will see: every token is 0.
class NoData final : public data::Dataset {
 public:
  explicit NoData(std::int64_t sequence) : sequence_(sequence) {}
  std::int64_t size() const override {
    return std::numeric_limits<std::int64_t>::max();
  }
  std::int64_t sample_tokens() const override { return sequence_ + 1; }
  void sample(std::int64_t /*index*/,
              std::span<std::int32_t> tokens) const override {
    std::fill(tokens.begin(), tokens.end(), 0);
  }

 private:
  std::int64_t sequence_;
};

train::RankOptions simulated(const train::Config& config,
                             DeviceRates rates = {}) {
  train::RankOptions options = train::rank_options(config);
  options.device = Device::kSim;
  options.rates = rates;
  return options;
}

std::int64_t replicas_of(const train::Config& config) {
  return std::max<std::int64_t>(config.parallel.data, 1);
}

// As many micro-batches as it takes until each is as the one before: the first
// finds nothing to add to, the second has the first one's buckets on their way.
train::Config few_micro_batches(train::Config config) {
  constexpr std::int64_t kMicroBatches = 3;
  train::TrainConfig& train = config.train;
  train.batch_rampup.clear();
  train.global_batch =
      std::min(train.global_batch,
               kMicroBatches * train.micro_batch * replicas_of(config));
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

MemoryPrediction predict_memory(const train::Config& config) {
  const Threads threads(config.train.threads);
  const train::Config few = few_micro_batches(config);
  train::Rank rank(simulated(config));
  train::Trainer trainer(rank, few);
  const NoData data(config.data.sequence);
  trainer.step(data);
  trainer.step(data);
  return memory_of(rank.arena);
}

std::vector<std::int64_t> weights_by_rank(const train::Config& config) {
  train::Rank rank(simulated(config));
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

Prediction predict(const train::Config& config, DeviceRates rates) {
  train::Rank rank(simulated(config, rates));
  train::Trainer trainer(rank, config);
  const NoData data(config.data.sequence);
  trainer.step(data);
  const double start = rank.stream.seconds();
  const train::StepResult step = trainer.step(data);
  const double seconds = rank.stream.seconds() - start;
  return {.memory = predict_memory(config),
          .step_seconds = seconds,
          .tokens_per_second = static_cast<double>(step.tokens) / seconds};
}

}  // namespace dure::plan
