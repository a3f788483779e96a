// Runs in 16 bits: what they keep in memory, the loss scale, and resuming.

#include <cmath>
#include <filesystem>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/launch/run_ranks.h"
#include "dure/run/run_checkpoint.h"
#include "dure/train/options.h"
#include "tests/layout.h"
#include "tests/parity_run.h"

namespace dure {
namespace {

using testing::HasSubstr;
using train::Compute;
using train::Config;
using train::KeptIn;
using train::StepResult;
using train::Trainer;

Config with(Config config, const train::PrecisionConfig& precision) {
  config.precision = precision;
  return config;
}

// Calls body(rank, trainer) on each rank of a layout.
template <typename Body>
void on_trainers(const Config& config, const Body& body) {
  const auto ranks = static_cast<int>(ranks_of(config.parallel));
  launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
    train::RankOptions options = train::rank_options(config);
    options.world = &world;
    train::Rank rank(options);
    Trainer trainer(rank, config);
    body(rank, trainer);
  });
}

struct Bytes {
  const char* name;
  train::PrecisionConfig precision;
  // For each parameter: the weight, its gradient, and the master and states of
  // AdamW.
  double weight, gradient, optimizer;
};

// The published figures: 2 + 2 + 12 of ZeRO (arXiv:1910.02054, section 3.1),
// 2 + 4 + 12 of Megatron-LM's distributed optimizer, whose 12 are 3 on each of
// four ranks.
const Bytes kBytes[] = {
    {"Fp32", {}, 4, 4, 8},
    {"Fp16AsInZero",
     {.compute = Compute::kFp16,
      .gradients = KeptIn::kCompute,
      .reduce = KeptIn::kCompute},
     2,
     2,
     12},
    {"Bf16AsInMegatron", {.compute = Compute::kBf16}, 2, 4, 12},
    {"Bf16Alone",
     {.compute = Compute::kBf16,
      .gradients = KeptIn::kCompute,
      .reduce = KeptIn::kCompute,
      .master = train::Master::kNone,
      .states = train::StateType::kBf16},
     2,
     2,
     4},
};

class MixedMemory : public testing::TestWithParam<Bytes> {};

INSTANTIATE_TEST_SUITE_P(Types,
                         MixedMemory,
                         testing::ValuesIn(kBytes),
                         [](const auto& one) {
                           return std::string(one.param.name);
                         });

TEST_P(MixedMemory, IsThePublishedOneToTheByteAtEveryStage) {
  const Bytes& bytes = GetParam();
  for (const std::int64_t zero : {0, 1, 2, 3}) {
    SCOPED_TRACE(zero);
    const Config config =
        configured(with(small_gpt(), bytes.precision),
                   {.data = 4, .zero = zero, .micro_batches = 1});
    on_trainers(config, [&](train::Rank& rank, Trainer& trainer) {
      const Ledger& ledger = rank.arena.ledger();
      const auto elements =
          static_cast<double>(trainer.rank_model().store().plan().elements);
      const auto share = [&](std::int64_t from) {
        return elements / (zero >= from ? 4 : 1);
      };
      double own = 0;
      for (const parallel::Slice& slice :
           trainer.rank_model().store().slices()) {
        own += static_cast<double>(slice.elements);
      }
      const auto held = [&](Category category) {
        return static_cast<double>(ledger.current(category));
      };
      // A tensor takes whole cache lines.
      constexpr double kLine = 64;
      EXPECT_NEAR(held(Category::kParameters), bytes.weight * share(3), kLine);
      EXPECT_NEAR(held(Category::kGradients), bytes.gradient * share(2), kLine);
      EXPECT_NEAR(held(Category::kOptimizer), bytes.optimizer * own, 3 * kLine);
    });
  }
}

// The steps of fp16 with a scale that starts much too high.
std::vector<StepResult> scaled_steps(const train::PrecisionConfig& precision,
                                     int steps,
                                     const Layout& layout = {}) {
  const Config config = configured(with(small_gpt(), precision), layout);
  std::vector<StepResult> results;
  std::mutex mutex;
  on_trainers(config, [&](train::Rank&, Trainer& trainer) {
    std::vector<StepResult> own;
    const Walks data = small_data();
    for (int i = 0; i < steps; ++i) {
      own.push_back(trainer.step(data));
    }
    const std::lock_guard lock(mutex);
    results = own;
  });
  return results;
}

TEST(LossScale, IsFoundByOverflowsThatSkipUpdates) {
  constexpr int kSteps = 40;
  for (const Layout& layout :
       {Layout(),
        Layout{.pipe = 2, .data = 2, .zero = 1, .micro_batches = 2}}) {
    SCOPED_TRACE(text(layout));
    const std::vector<StepResult> steps =
        scaled_steps({.compute = Compute::kFp16}, kSteps, layout);
    double scale = 0x1p32;
    int overflows = 0;
    for (const StepResult& step : steps) {
      SCOPED_TRACE(step.step);
      ASSERT_TRUE(step.loss_scale.has_value());
      EXPECT_EQ(*step.loss_scale, scale);
      if (step.skipped) {
        EXPECT_THAT(*step.skipped, HasSubstr("the gradient of "));
        ++overflows;
        scale = overflows == 1 ? scale : scale / 2;  // hysteresis 2
      } else {
        EXPECT_TRUE(std::isfinite(step.grad_norm));
      }
      EXPECT_EQ(step.next_loss_scale, scale);
    }
    EXPECT_GT(overflows, 5);
    EXPECT_LT(overflows, kSteps / 2);
    EXPECT_LT(steps.back().loss, steps.front().loss);
  }
}

// The schedule and Adam's count of updates stay with a skipped update.
TEST(LossScale, ASkippedUpdateDoesNotAdvanceTheSchedule) {
  Config config =
      configured(with(small_gpt(), {.compute = Compute::kFp16}), {});
  config.optimizer.warmup_steps = 100;
  on_trainers(config, [&](train::Rank&, Trainer& trainer) {
    const Walks data = small_data();
    int updates = 0;
    for (int i = 0; i < 30; ++i) {
      const StepResult step = trainer.step(data);
      EXPECT_DOUBLE_EQ(step.learning_rate, 5e-3 * (updates + 1) / 100);
      updates += step.skipped ? 0 : 1;
      EXPECT_EQ(trainer.position().updates, updates);
      EXPECT_EQ(trainer.position().consumed,
                (i + 1) * config.train.global_batch);
    }
    EXPECT_LT(updates, 30);
  });
}

TEST(LossScale, DeepSpeedsRuleEndsTheRunAtTheMinimum) {
  try {
    scaled_steps({.compute = Compute::kFp16,
                  .scale_rule = kernels::LossScaleKind::kDeepSpeed,
                  .initial_scale_power = 32,
                  .minimum_scale = 0x1p30},
                 10);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(HasSubstr("step 4: the gradient of "),
                               HasSubstr("at the smallest loss scale"),
                               HasSubstr("precision.minimum_scale")));
  }
}

// The gradient is that of the loss, whatever the scale, unless it is lost: in
// fp16 below 2^-24.
TEST(LossScale, AFixedScaleGivesTheGradientsBackThatFp16Loses) {
  const auto norm = [](double scale) {
    return scaled_steps({.compute = Compute::kFp16, .loss_scale = scale}, 1)
        .front()
        .grad_norm;
  };
  const double fp32 = scaled_steps({}, 1).front().grad_norm;
  EXPECT_NEAR(norm(1024) / fp32, 1, 2e-2);
  EXPECT_LT(norm(0x1p-20) / fp32, 0.9);
}

// The update moves every weight by the learning rate. All ranks stop with the
// same words, whichever of them owns the first weight, and hold nothing to be
// saved.
TEST(WeightOverflow, StopsAllRanksInTheSameStep) {
  const std::vector<Layout> layouts = {
      {},
      {.data = 2, .zero = 3},
      {.pipe = 2, .data = 2, .zero = 1, .micro_batches = 2},
      {.tensor = 2, .sequence = true},
      {.pipe = 2,
       .schedule = parallel::ScheduleKind::kPipedream,
       .micro_batches = 2}};
  for (const Layout& layout : layouts) {
    SCOPED_TRACE(text(layout));
    Config config = small_gpt();
    config.precision = {.compute = Compute::kFp16, .loss_scale = 1};
    config.optimizer.learning_rate = 1e5;
    config.optimizer.clip_gradient = 0;
    config.model.tie_embeddings = false;
    std::vector<std::string> said;
    std::mutex mutex;
    on_trainers(configured(config, layout),
                [&](train::Rank&, Trainer& trainer) {
                  std::string own;
                  try {
                    trainer.steps(small_data(), 2);
                  } catch (const train::NotFinite& error) {
                    own = error.what();
                    EXPECT_EQ(error.steps().back().step, 1);
                  }
                  EXPECT_FALSE(trainer.is_whole());
                  const std::lock_guard lock(mutex);
                  said.push_back(own);
                });
    EXPECT_THAT(said[0],
                HasSubstr("step 1: embedding.token.weight has grown beyond "
                          "65504"));
    EXPECT_THAT(said, testing::Each(said[0]));
  }
}

struct Resumed {
  const char* name;
  train::PrecisionConfig precision;
};

class MixedResume : public testing::TestWithParam<Resumed> {};

INSTANTIATE_TEST_SUITE_P(
    Types,
    MixedResume,
    testing::Values(Resumed{"Bf16", {.compute = Compute::kBf16}},
                    Resumed{"Fp16", {.compute = Compute::kFp16}},
                    Resumed{"Bf16Alone",
                            {.compute = Compute::kBf16,
                             .master = train::Master::kNone,
                             .states = train::StateType::kBf16}}),
    [](const auto& one) { return std::string(one.param.name); });

// Stops in the middle of a search for the scale, and goes on in another layout.
TEST_P(MixedResume, ChangesNoBit) {
  constexpr int kBefore = 7;
  constexpr int kAfter = 6;
  const Path folder = std::filesystem::path(testing::TempDir()) /
                      fmt::format("dure_mixed_{}", GetParam().name);
  std::filesystem::remove_all(folder);
  Config config = with(small_gpt(), GetParam().precision);
  config.checkpoint.directory = folder.string();
  config.parallel.sums = comm::SumOrder::kRanked;
  const Config first =
      configured(config, {.data = 2, .zero = 2, .micro_batches = 2});
  const Config second =
      configured(config, {.pipe = 2, .data = 2, .zero = 1, .micro_batches = 2});
  const Walks data = small_data();
  ParityOutcome whole;
  std::vector<double> losses;
  std::mutex mutex;
  on_trainers(first, [&](train::Rank& rank, Trainer& trainer) {
    for (int i = 0; i < kBefore; ++i) {
      trainer.step(data);
    }
    train::save_trainer(rank, trainer, {}, rank.world());
    std::vector<double> own;
    for (int i = 0; i < kAfter; ++i) {
      own.push_back(trainer.step(data).loss);
    }
    const std::lock_guard lock(mutex);
    collect(rank, trainer.rank_model(), whole);
    losses = own;
  });
  ParityOutcome resumed;
  on_trainers(second, [&](train::Rank& rank, Trainer& trainer) {
    train::load_trainer(rank, trainer, folder / "step_00000007", {}, Log());
    std::vector<double> own;
    for (int i = 0; i < kAfter; ++i) {
      own.push_back(trainer.step(data).loss);
    }
    EXPECT_EQ(own, losses);
    const std::lock_guard lock(mutex);
    collect(rank, trainer.rank_model(), resumed);
  });
  EXPECT_EQ(resumed.weights, whole.weights);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace dure
