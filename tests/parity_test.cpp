// Every layout against one rank: with ranked sums the same losses, gradients
// and weights, bit for bit.

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/train/trainer.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using train::Config;
using train::Rank;
using train::Trainer;

constexpr int kSteps = 20;

struct Model {
  const char* name;
  Config (*config)();
};

Config untied_gpt() {
  Config config = small_gpt();
  config.model.tie_embeddings = false;
  config.model.dropout = 0.1;
  return config;
}

Config tied_llama() {
  Config config = small_llama();
  config.model.tie_embeddings = true;
  return config;
}

constexpr Model kModels[] = {{"Gpt", small_gpt},
                             {"UntiedGptWithDropout", untied_gpt},
                             {"Llama", small_llama},
                             {"TiedLlama", tied_llama}};

struct Layout {
  int ranks = 1;
  int accumulation = 1;
  std::int64_t zero = 0;
  std::int64_t zero_group = 0;
  train::Sums sums = train::Sums::kRanked;
};

// What a run ends with: all that a layout may not change.
struct Outcome {
  std::vector<double> losses;
  std::vector<double> norms;
  double validation = 0;
  std::vector<float> weights;
  std::vector<float> gradients;
};

Config configured(Config config, const Layout& layout) {
  config.train.micro_batch = 1;
  config.train.global_batch = layout.ranks * layout.accumulation;
  config.parallel.data = layout.ranks;
  config.parallel.zero = layout.zero;
  config.parallel.zero_group = layout.zero_group;
  config.parallel.sums = layout.sums;
  // Several buckets of several weights, some cut across ranks.
  config.parallel.bucket_mb = 0.02;
  config.parallel.first_bucket_mb = 0.004;
  config.optimizer.clip_gradient = 0.5;  // so that the norm counts
  return train::resolve(config);
}

// Where each weight begins when all lie one after another.
std::vector<std::int64_t> starts(nn::ParameterSet& parameters) {
  std::vector<std::int64_t> result = {0};
  for (const nn::Parameter& parameter : parameters.all()) {
    result.push_back(result.back() + parameter.value.elements());
  }
  return result;
}

void collect(Trainer& trainer, Outcome& outcome) {
  train::Replica& replica = trainer.replica();
  replica.store().settle();
  const auto start = starts(replica.parameters());
  for (const parallel::Kept& kept : replica.store().kept()) {
    const std::int64_t at =
        start[static_cast<std::size_t>(kept.weight)] + kept.offset;
    const std::int64_t n = kept.value.elements();
    std::copy_n(kept.value.data(), n, outcome.weights.begin() + at);
    std::copy_n(kept.gradient.data(), n, outcome.gradients.begin() + at);
  }
}

// Ranks keep different elements, or equal ones: they write to one outcome in
// turn.
void run_rank(comm::Communicator& world,
              const Config& config,
              Outcome& outcome) {
  Rank rank({.world = &world});
  Trainer trainer(rank, config);
  const Walks data = small_data();
  std::vector<double> losses;
  std::vector<double> norms;
  for (int i = 0; i < kSteps; ++i) {
    const train::StepResult step = trainer.step(data);
    losses.push_back(step.loss);
    norms.push_back(step.grad_norm);
  }
  const double validation = trainer.evaluate(data, 11);
  const auto elements =
      static_cast<std::size_t>(starts(trainer.replica().parameters()).back());
  for (int turn = 0; turn < world.size(); ++turn) {
    if (turn == world.rank()) {
      outcome.losses = losses;
      outcome.norms = norms;
      outcome.validation = validation;
      outcome.weights.resize(elements);
      outcome.gradients.resize(elements);
      collect(trainer, outcome);
    }
    world.run(comm::Barrier{});
  }
}

Outcome run(const Config& config, const Layout& layout) {
  Outcome outcome;
  const Config resolved = configured(config, layout);
  launch::run_ranks({.ranks = layout.ranks}, [&](comm::Communicator& world) {
    run_rank(world, resolved, outcome);
  });
  return outcome;
}

// One rank that sees the same micro-batches one after another.
Outcome run_alone(const Config& config, const Layout& layout) {
  return run(config,
             {.ranks = 1, .accumulation = layout.ranks * layout.accumulation});
}

void expect_same(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.losses, b.losses);
  EXPECT_EQ(a.norms, b.norms);
  EXPECT_EQ(a.validation, b.validation);
  EXPECT_EQ(a.gradients, b.gradients);
  EXPECT_EQ(a.weights, b.weights);
}

class Parity : public testing::TestWithParam<Model> {};

INSTANTIATE_TEST_SUITE_P(Models,
                         Parity,
                         testing::ValuesIn(kModels),
                         [](const auto& model) {
                           return std::string(model.param.name);
                         });

TEST_P(Parity, RanksAndStagesChangeNoBit) {
  const Config config = GetParam().config();
  for (const int ranks : {1, 2, 4, 8}) {
    for (const int accumulation : {1, 4}) {
      const Layout base = {.ranks = ranks, .accumulation = accumulation};
      const Outcome alone = run_alone(config, base);
      EXPECT_LT(alone.losses.back(), alone.losses.front());
      for (const int zero : {0, 1, 2, 3}) {
        SCOPED_TRACE(concat(ranks, " ranks, zero ", zero, ", ", accumulation));
        Layout layout = base;
        layout.zero = zero;
        expect_same(run(config, layout), alone);
      }
    }
  }
}

TEST_P(Parity, ShardGroupsChangeNoBit) {
  const Config config = GetParam().config();
  const Layout base = {.ranks = 4, .accumulation = 2};
  const Outcome alone = run_alone(config, base);
  for (const int zero : {1, 2, 3}) {
    for (const int group : {1, 2}) {
      SCOPED_TRACE(concat("zero ", zero, " in groups of ", group));
      Layout layout = base;
      layout.zero = zero;
      layout.zero_group = group;
      expect_same(run(config, layout), alone);
    }
  }
}

// Fast sums round elsewhere: a relative 2^-24 for each of some dozens of terms
// a step, which 20 steps of training carry on. 1e-6 is the figure of
// losses; it is met without a step that amplifies.
TEST_P(Parity, FastSumsAgreeWithinRounding) {
  const Config config = GetParam().config();
  const Layout base = {.ranks = 4, .accumulation = 4};
  const Outcome alone = run_alone(config, base);
  for (const int zero : {0, 1, 2, 3}) {
    SCOPED_TRACE(concat("zero ", zero));
    Layout layout = base;
    layout.zero = zero;
    layout.sums = train::Sums::kFast;
    const Outcome fast = run(config, layout);
    for (std::size_t i = 0; i < fast.losses.size(); ++i) {
      EXPECT_NEAR(fast.losses[i], alone.losses[i], 1e-6 * alone.losses[i]);
    }
  }
}

}  // namespace
}  // namespace dure
