// Needs of an optimizer's row that no real optimizer has: spans that are whole
// weights, gradients and states of each rank's own. Two made-up optimizers have
// them, with loops for kernels.

#include <cmath>
#include <gmock/gmock.h>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/launch/run_ranks.h"
#include "dure/optim/optimizer.h"
#include "dure/parallel/data/shards_testing.h"
#include "dure/run/run_checkpoint.h"
#include "dure/train/options.h"
#include "tests/parity_run.h"

namespace dure {
namespace {

using optim::OptimizerConfig;
using optim::OptimizerRow;
using optim::OptimizerState;
using optim::Update;
using parallel::ScheduleKind;
using train::Config;
using train::Trainer;

void fill_rates(const OptimizerConfig& /*config*/,
                std::int64_t /*update*/,
                double learning_rate,
                std::span<float> rates) {
  rates[0] = static_cast<float>(learning_rate);
}

std::vector<OptimizerState> no_states(const OptimizerConfig& /*config*/) {
  return {};
}

// Moves each weight in its gradient's direction by a fixed length: half of a
// weight would move differently.
void launch_direction(Stream& /*stream*/,
                      const OptimizerConfig& /*config*/,
                      const Update& update) {
  const auto* control = update.control.data<float>();
  for (const kernels::UpdateSpan& span : update.spans) {
    const auto* gradient = span.gradient.data<float>();
    auto* master = span.master.data<float>();
    float squares = 0;
    for (std::int64_t i = 0; i < span.master.elements(); ++i) {
      squares += gradient[i] * gradient[i];
    }
    for (std::int64_t i = 0; i < span.master.elements() && squares > 0; ++i) {
      master[i] -=
          control[kernels::kDecisions] * gradient[i] / std::sqrt(squares);
    }
  }
}

constexpr OptimizerRow kDirection = {.name = "direction",
                                     .states = no_states,
                                     .spans = kernels::SpanCut::kWholeWeights,
                                     .rates = 1,
                                     .fill_rates = fill_rates,
                                     .launch = launch_direction};

// Karimireddy et al. 2019, arXiv:1901.09847, algorithm 1: each rank sends signs
// and one length, and adds the remainder to what it sends next.
void launch_signs(Stream& stream,
                  const OptimizerConfig& /*config*/,
                  const Update& update) {
  const auto* control = update.control.data<float>();
  for (const kernels::UpdateSpan& span : update.spans) {
    const std::int64_t n = span.master.elements();
    const auto* gradient = span.gradient.data<float>();
    auto* error = span.states[0].data<float>();
    std::vector<float> message(static_cast<std::size_t>(n));
    float length = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      error[i] += control[kernels::kDecisions] * control[kernels::kFactor] *
                  gradient[i];
      length += std::fabs(error[i]) / static_cast<float>(n);
    }
    for (std::int64_t i = 0; i < n; ++i) {
      message[static_cast<std::size_t>(i)] = std::copysign(length, error[i]);
      error[i] -= message[static_cast<std::size_t>(i)];
    }
    const Tensor sum(message.data(), {n}, DType::kF32);
    update.replicas->run(
        stream,
        comm::AllReduce{
            .y = sum, .x = sum, .how = {.sums = comm::SumOrder::kRanked}});
    for (std::int64_t i = 0; i < n; ++i) {
      span.master.data<float>()[i] -= message[static_cast<std::size_t>(i)];
    }
  }
}

constexpr OptimizerRow kSigns = {
    .name = "signs",
    .states =
        [](const OptimizerConfig& /*config*/) {
          return std::vector<OptimizerState>{
              {.name = "error", .scope = optim::StateScope::kEachRank}};
        },
    .gradients = kernels::GradientOf::kThisRank,
    .rates = 1,
    .fill_rates = fill_rates,
    .launch = launch_signs};

Config config_of(const OptimizerRow& row) {
  Config config = small_gpt();
  config.optimizer.name = &row;
  config.optimizer.clip_gradient = 0;
  config.optimizer.learning_rate = 2e-3;
  return config;
}

TEST(OptimizerRow, BucketsAreCutBetweenWeightsWhereItNeedsThemWhole) {
  constexpr int kSteps = 3;
  const Config config = config_of(kDirection);
  const std::vector<Layout> layouts = {
      {.data = 4, .zero = 1, .micro_batches = 2},
      {.data = 4, .zero = 2, .micro_batches = 2},
      {.data = 4, .zero = 3, .micro_batches = 2},
      {.data = 4, .zero = 2, .zero_group = 2, .micro_batches = 2},
      {.data = 8, .zero = 3, .zero_group = 4, .micro_batches = 1},
      {.pipe = 2, .data = 2, .zero = 1, .micro_batches = 4},
      {.pipe = 2, .data = 4, .zero = 2, .zero_group = 2, .micro_batches = 2},
      {.pipe = 2,
       .data = 2,
       .zero = 1,
       .schedule = ScheduleKind::kZbV,
       .micro_batches = 4}};
  const ParityOutcome one = run_layout(config, alone(layouts[0]), kSteps);
  EXPECT_LT(one.losses.back(), one.losses.front());
  for (const Layout& layout : layouts) {
    SCOPED_TRACE(text(layout));
    expect_same(run_layout(config, layout, kSteps), one);
    const ParityOutcome fast =
        run_layout(config, layout, kSteps, comm::SumOrder::kFast);
    EXPECT_LT(worst(fast.losses, one.losses), 1e-5);
  }
}

// The results of a data rank's stages.
struct Ended {
  std::vector<double> losses;
  ParityOutcome arrays;
  std::map<int, std::vector<float>> errors;  // by stage
};

// If `checkpoint` is not empty, resumes from it, and saves there after the
// steps.
std::vector<Ended> run_signs(const Layout& layout,
                             int steps,
                             const Path& from = {},
                             const Path& to = {}) {
  Config config = config_of(kSigns);
  config.model.vocabulary = 128;  // no rows of padding, which have a sign, too
  config.checkpoint.directory = to;
  config = configured(config, layout);
  train::validate(config);
  std::vector<Ended> ended(static_cast<std::size_t>(layout.data));
  std::mutex mutex;
  launch::run_ranks({.ranks = layout.ranks()}, [&](comm::Communicator& world) {
    train::RankOptions options = train::rank_options(config);
    options.world = &world;
    train::Rank rank(options);
    Trainer trainer(rank, config);
    if (!from.empty()) {
      train::load_trainer(rank, trainer, from, {}, Log());
    }
    const Walks data = small_data(config.model.vocabulary);
    std::vector<double> losses;
    for (int i = 0; i < steps; ++i) {
      losses.push_back(trainer.step(data).loss);
    }
    if (!to.empty()) {
      train::save_trainer(rank, trainer, {}, rank.world());
    }
    const std::lock_guard lock(mutex);
    Ended& mine =
        ended[static_cast<std::size_t>(rank.group(mesh::kReplicas).rank())];
    mine.losses = losses;
    collect(rank, trainer.rank_model(), mine.arrays);
    for_each_shard(trainer.rank_model().store(),
                   {.states = parallel::Access::kRead},
                   [&](const parallel::Shard& shard) {
                     const auto* error = shard.states[0].data<float>();
                     std::vector<float>& errors =
                         mine.errors[rank.group(mesh::kStages).rank()];
                     errors.insert(errors.end(),
                                   error,
                                   error + shard.states[0].elements());
                   });
  });
  return ended;
}

TEST(OptimizerRow, GradientsAndErrorsAreEachRanksOwnAndWeightsAreNot) {
  const std::vector<Ended> two = run_signs({.data = 2, .micro_batches = 2}, 1);
  EXPECT_TRUE(two[0].arrays.weights == two[1].arrays.weights);
  EXPECT_FALSE(two[0].arrays.gradients == two[1].arrays.gradients);
  EXPECT_FALSE(two[0].errors == two[1].errors);
  // The sum of both is one rank's result over all samples.
  const std::vector<Ended> one = run_signs({.micro_batches = 4}, 1);
  Arrays sum = two[0].arrays.gradients;
  for (std::size_t w = 0; w < sum.size(); ++w) {
    for (std::size_t i = 0; i < sum[w].size(); ++i) {
      sum[w][i] += two[1].arrays.gradients[w][i];
    }
  }
  EXPECT_LT(worst_element(sum, one[0].arrays.gradients), 1e-5);
  EXPECT_EQ(two[0].losses, one[0].losses);
}

TEST(OptimizerRow, OwnGradientsComeTheSameThroughPipelines) {
  const std::vector<Ended> flat = run_signs({.data = 2, .micro_batches = 4}, 6);
  EXPECT_LT(flat[0].losses.back(), flat[0].losses.front());
  for (const ScheduleKind schedule :
       {ScheduleKind::k1F1B, ScheduleKind::kZbV}) {
    const std::vector<Ended> piped = run_signs(
        {.pipe = 2, .data = 2, .schedule = schedule, .micro_batches = 4}, 6);
    EXPECT_LT(worst(piped[0].losses, flat[0].losses), 1e-5);
  }
}

TEST(OptimizerRow, EachRanksStateIsSavedAndGoesOn) {
  const Path folder = Path(testing::TempDir()) / "optimizer_row";
  std::filesystem::remove_all(folder);
  const Layout layout = {.pipe = 2, .data = 2, .micro_batches = 4};
  const std::vector<Ended> straight = run_signs(layout, 6);
  run_signs(layout, 3, {}, folder);
  const Path saved = checkpoint::step_folder(folder, 3);
  const std::vector<Ended> resumed = run_signs(layout, 3, saved);
  for (std::size_t rank = 0; rank < 2; ++rank) {
    EXPECT_TRUE(resumed[rank].errors == straight[rank].errors);
    EXPECT_TRUE(resumed[rank].arrays.weights == straight[rank].arrays.weights);
  }
  const checkpoint::CheckpointReader reader(saved);
  EXPECT_NE(reader.optimizer().find("blocks.0.mlp.up.bias.error.1"), nullptr);
  EXPECT_EQ(reader.optimizer().find("blocks.0.mlp.up.bias.error.2"), nullptr);

  // The errors of two ranks mean nothing to four.
  for (const Ended& rank :
       run_signs({.data = 4, .micro_batches = 2}, 0, saved)) {
    EXPECT_THAT(rank.errors.at(0), testing::Each(0));
  }
}

TEST(OptimizerRow, OwnGradientsGoWithNeitherZeroNorClipping) {
  Config config = configured(config_of(kSigns), {.data = 2});
  config.parallel.zero = 1;
  EXPECT_THAT([&] { train::validate(config); },
              testing::ThrowsMessage<UsageError>(
                  testing::HasSubstr("parallel.zero beside optimizer.name "
                                     "\"signs\"")));
  config.parallel.zero = 0;
  config.optimizer.clip_gradient = 1;
  EXPECT_THAT([&] { train::validate(config); },
              testing::ThrowsMessage<UsageError>(
                  testing::HasSubstr("optimizer.clip_gradient beside")));
}

}  // namespace
}  // namespace dure
