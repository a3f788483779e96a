// ZeRO's memory and communication are as published: measured by the ledger and
// the communicator in real steps on threads.
#include <fmt/core.h>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/parallel/data/shards_testing.h"
#include "dure/parallel/data/visits_testing.h"
#include "dure/plan/predict.h"
#include "dure/train/trainer.h"
#include "tests/layout.h"
#include "tests/oracle/step_plan.h"
#include "tests/oracle/zero_memory.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using comm::Kind;
using train::Config;
using train::Rank;
using train::Trainer;

// The number of ranks that hold one copy of the model's state.
int shard_size(const train::ParallelConfig& parallel) {
  return static_cast<int>(parallel.zero == 0        ? 1
                          : parallel.zero_group > 0 ? parallel.zero_group
                                                    : parallel.data);
}

// There are 0.8 million parameters, in buckets of at most 0.26 MiB.
Config larger_gpt() {
  Config config = small_gpt();
  config.model.layers = 4;
  config.model.hidden = 128;
  return config;
}

// The measurements of one rank after some steps.
struct Measured {
  BytesByCategory peak_bytes{};
  std::size_t high_water = 0;
  parallel::BucketPlan plan;
  std::int64_t kept = 0;        // elements
  parallel::StepElements step;  // communicated in the last step

  std::size_t of(Category category) const {
    return peak_bytes[static_cast<std::size_t>(category)];
  }
};

constexpr auto kElement = static_cast<std::int64_t>(sizeof(float));

// The elements of weights and gradients so far. Other collectives, for loss and
// norm, are all-reduces of the world and of the shard group.
parallel::StepElements communicated(const Rank& rank) {
  const auto elements = [&](const char* axis, Kind kind) {
    return static_cast<std::int64_t>(
               rank.world().traffic().of(axis, kind).bytes) /
           kElement;
  };
  return {.reduce_scatter = elements("data shard", Kind::kReduceScatter),
          .all_gather = elements("data shard", Kind::kAllGather),
          .all_reduce = elements("data replicate", Kind::kAllReduce),
          .all_to_all = elements("data", Kind::kAllToAll),
          .all_gather_sums = elements("data replicate", Kind::kAllGather)};
}

parallel::StepElements operator-(const parallel::StepElements& a,
                                 const parallel::StepElements& b) {
  return {.reduce_scatter = a.reduce_scatter - b.reduce_scatter,
          .all_gather = a.all_gather - b.all_gather,
          .all_reduce = a.all_reduce - b.all_reduce,
          .all_to_all = a.all_to_all - b.all_to_all,
          .all_gather_sums = a.all_gather_sums - b.all_gather_sums};
}

Measured measure(Rank& rank, const Config& config) {
  Trainer trainer(rank, config);
  const Walks data = small_data();
  trainer.step(data);
  trainer.step(data);
  const parallel::StepElements before = communicated(rank);
  trainer.step(data);
  trainer.rank_model().store().wait();
  Measured measured = {.high_water = rank.arena.high_water(),
                       .plan = trainer.rank_model().store().plan(),
                       .step = communicated(rank) - before};
  for (const parallel::Shard& shard :
       weights_of(trainer.rank_model().store())) {
    measured.kept += shard.values.elements();
  }
  for (std::size_t c = 0; c < kCategories; ++c) {
    measured.peak_bytes[c] = rank.arena.ledger().peak(static_cast<Category>(c));
  }
  return measured;
}

// The measurements by rank.
std::vector<Measured> measure(const Config& config, std::size_t limit_bytes) {
  const auto ranks = static_cast<int>(config.parallel.data);
  std::vector<Measured> measured(static_cast<std::size_t>(ranks));
  launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
    Rank rank({.limit_bytes = limit_bytes, .world = &world});
    measured[static_cast<std::size_t>(world.rank())] = measure(rank, config);
  });
  return measured;
}

parallel::StepPlan planned(const parallel::BucketPlan& plan,
                           const Config& config) {
  const train::ParallelConfig& p = config.parallel;
  return plan_step(
      plan,
      {.stage = static_cast<int>(p.zero),
       .shard_size = shard_size(p),
       .prefetch = static_cast<int>(p.prefetch_layers),
       .gather = p.gather,
       .order = p.sums},
      parallel::visits(parallel::UnitBuckets(plan).units().back() + 1,
                       static_cast<int>(config.train.global_batch / p.data)));
}

struct Model {
  const char* name;
  Config (*config)();
};

class Zero : public testing::TestWithParam<Model> {};

INSTANTIATE_TEST_SUITE_P(Models,
                         Zero,
                         testing::Values(Model{"Gpt", larger_gpt},
                                         Model{"Llama", small_llama}),
                         [](const auto& model) {
                           return std::string(model.param.name);
                         });

// There are two flat arrays for the rank's shard, each in blocks of 64 bytes.
std::size_t optimizer_bytes(std::int64_t kept) {
  return static_cast<std::size_t>(2 * ((kElement * kept + 63) / 64 * 64));
}

void expect_formula(const Config& config) {
  const std::vector<Measured> ranks = measure(config, 0);
  const int shards = shard_size(config.parallel);
  const auto all = static_cast<double>(ranks[0].plan.elements);
  const parallel::StateBytes formula =
      parallel::bytes_per_rank(static_cast<int>(config.parallel.zero),
                               all,
                               shards,
                               parallel::kSinglePrecision);
  std::int64_t kept = 0;
  for (const Measured& rank : ranks) {
    EXPECT_EQ(rank.of(Category::kParameters), formula.values);
    EXPECT_EQ(rank.of(Category::kGradients), formula.gradients);
    // Padding has no states.
    EXPECT_EQ(rank.of(Category::kOptimizer), optimizer_bytes(rank.kept));
    EXPECT_LE(rank.kept, rank.plan.elements / shards);
    kept += rank.kept;
  }
  // Nothing is held twice in a group, and nothing is lost.
  const parallel::BucketPlan& plan = ranks[0].plan;
  EXPECT_EQ(kept,
            (plan.elements - plan.padding()) * std::ssize(ranks) / shards);
}

TEST_P(Zero, TheLedgerHasTheFormulasBytes) {
  for (const int ranks : {2, 4}) {
    for (const int zero : {0, 1, 2, 3}) {
      const Layout layout = {.data = ranks, .zero = zero};
      SCOPED_TRACE(text(layout));
      expect_formula(configured(GetParam().config(), layout));
    }
  }
  expect_formula(
      configured(GetParam().config(), {.data = 4, .zero = 3, .zero_group = 2}));
}

// For a model that is not tiny, padding is far below the allowed 2 %.
TEST(ZeroPadding, IsSmall) {
  for (const int zero : {0, 3}) {
    const Config config = configured(larger_gpt(), {.data = 4, .zero = zero});
    const parallel::BucketPlan plan = measure(config, 0)[0].plan;
    EXPECT_LT(plan.padding(), plan.elements / 500);
  }
}

void expect_planned(const std::vector<Measured>& ranks, const Config& config) {
  const parallel::StepPlan step = planned(ranks[0].plan, config);
  for (const Measured& rank : ranks) {
    EXPECT_EQ(rank.of(Category::kCommunication), step.peak_bytes);
    EXPECT_EQ(rank.step.reduce_scatter, step.elements.reduce_scatter);
    EXPECT_EQ(rank.step.all_gather, step.elements.all_gather);
    EXPECT_EQ(rank.step.all_reduce, step.elements.all_reduce);
    EXPECT_EQ(rank.step.all_to_all, step.elements.all_to_all);
    EXPECT_EQ(rank.step.all_gather_sums, step.elements.all_gather_sums);
  }
}

TEST_P(Zero, CommunicatesWhatIsPlanned) {
  struct Way {
    comm::SumOrder sums;
    int accumulation;
    int prefetch;
  };
  for (const Way& way : {Way{comm::SumOrder::kFast, 1, 0},
                         Way{comm::SumOrder::kFast, 3, 2},
                         Way{comm::SumOrder::kRanked, 2, 1}}) {
    for (const auto& [zero, group] :
         {std::pair(0, 0), {1, 4}, {2, 1}, {2, 2}, {3, 2}, {3, 4}}) {
      const Layout layout = {.data = 4,
                             .zero = zero,
                             .zero_group = group,
                             .micro_batches = way.accumulation};
      SCOPED_TRACE(fmt::format("{}, {} ahead", text(layout), way.prefetch));
      Config config = configured(GetParam().config(), layout);
      config.parallel.prefetch_layers = way.prefetch;
      config.parallel.sums = way.sums;
      expect_planned(measure(config, 0), config);
    }
  }
}

TEST_P(Zero, GathersOnceAStepWhereAskedTo) {
  Config config = configured(GetParam().config(),
                             {.data = 4, .zero = 3, .micro_batches = 3});
  config.parallel.gather = parallel::Reshard::kAfterStep;
  const std::vector<Measured> ranks = measure(config, 0);
  expect_planned(ranks, config);
  EXPECT_EQ(ranks[0].step.all_gather, ranks[0].plan.elements);
}

// A step moves 2 n elements, and 3 n at stage 3, padding included.
TEST_P(Zero, MovesThePublishedElements) {
  for (const int ranks : {2, 4}) {
    for (const int zero : {0, 1, 2, 3}) {
      const Layout layout = {.data = ranks, .zero = zero};
      SCOPED_TRACE(text(layout));
      const Measured rank =
          measure(configured(GetParam().config(), layout), 0)[0];
      const std::int64_t n = rank.plan.elements;
      if (zero < 3) {
        EXPECT_EQ(rank.step.moved(), 2 * n);
      } else {
        EXPECT_LE(rank.step.moved(), 3 * n);
        EXPECT_GT(rank.step.moved(), 2 * n);
      }
    }
  }
}

// Predicts with as many threads as a rank of the run has, because workspace
// depends on it.
plan::MemoryPrediction predict(Config config) {
  launch::run_ranks({.ranks = static_cast<int>(config.parallel.data)},
                    [&](comm::Communicator& world) {
                      if (world.rank() == 0) {
                        config.train.threads = world.options().threads;
                      }
                    });
  return plan::predict_memory(config);
}

void expect_predicted(const Config& config) {
  const plan::MemoryPrediction predicted = predict(config);
  const Measured rank = measure(config, 0)[0];
  for (const Category category : {Category::kParameters,
                                  Category::kGradients,
                                  Category::kOptimizer,
                                  Category::kActivations,
                                  Category::kCommunication,
                                  Category::kWorkspace}) {
    EXPECT_EQ(predicted.peak_bytes[static_cast<std::size_t>(category)],
              rank.of(category))
        << name_of(category);
  }
}

TEST_P(Zero, TheSimulatorPredictsEveryCategory) {
  for (const int ranks : {2, 4}) {
    for (const int zero : {0, 1, 2, 3}) {
      Layout layout = {.data = ranks, .zero = zero};
      SCOPED_TRACE(text(layout));
      expect_predicted(configured(GetParam().config(), layout));
      layout.micro_batches = 2;
      Config config = configured(GetParam().config(), layout);
      config.parallel.sums = comm::SumOrder::kRanked;
      config.log.gradient_histogram_every = 1;
      expect_predicted(config);
    }
  }
}

// There are sixteen blocks, so the few that stage 3 gathers at a time are less
// than what it saves. It trains within its prediction, and stage 2 does not.
TEST(ZeroLimit, StageThreeTrainsWhereOthersDoNotFit) {
  Config deep = larger_gpt();
  deep.model.layers = 16;
  const std::size_t limit =
      predict(configured(deep, {.data = 4, .zero = 3})).high_water;
  for (const int zero : {0, 1, 2}) {
    const Config config = configured(deep, {.data = 4, .zero = zero});
    EXPECT_GT(predict(config).high_water, limit) << zero;
    EXPECT_THROW(measure(config, limit), Error) << zero;
  }
  const Config config = configured(deep, {.data = 4, .zero = 3});
  for (const Measured& rank : measure(config, limit)) {
    EXPECT_LE(rank.high_water, limit);
  }
}

// The second step finds every block where the first left it, and so do fifty
// more: no new address is used.
TEST(ZeroArena, StaysFlatOverALongRun) {
  for (const int zero : {0, 1, 2, 3}) {
    SCOPED_TRACE(zero);
    const Config config =
        configured(small_gpt(), {.data = 2, .zero = zero, .micro_batches = 2});
    launch::run_ranks({.ranks = 2}, [&](comm::Communicator& world) {
      Rank rank({.world = &world});
      Trainer trainer(rank, config);
      const Walks data = small_data();
      trainer.step(data);
      trainer.step(data);
      const std::size_t before = rank.arena.high_water();
      for (int step = 0; step < 50; ++step) {
        trainer.step(data);
      }
      EXPECT_EQ(rank.arena.high_water(), before);
    });
  }
}

}  // namespace
}  // namespace dure
