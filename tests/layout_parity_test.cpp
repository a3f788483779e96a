// Compares every layout with one rank: with ranked sums losses, gradients and
// weights are equal, bit for bit.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/optim/sgd.h"
#include "tests/parity_run.h"

namespace dure {
namespace {

using train::Config;

constexpr int kSteps = 20;

struct Model {
  const char* name;
  Config (*config)();
};

Config untied_gpt() {
  Config config = small_gpt();
  config.model.tie_embeddings = false;
  config.model.dropout = 0.1;
  config.model.dropout.attention = 0.2;
  config.model.dropout.embedding = 0.05;
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

class Parity : public testing::TestWithParam<Model> {};

INSTANTIATE_TEST_SUITE_P(Models,
                         Parity,
                         testing::ValuesIn(kModels),
                         [](const auto& model) {
                           return std::string(model.param.name);
                         });

TEST_P(Parity, RanksAndStagesChangeNoBit) {
  const Config config = GetParam().config();
  for (const int data : {1, 2, 4, 8}) {
    for (const int micro_batches : {1, 4}) {
      Layout layout = {.data = data, .micro_batches = micro_batches};
      const ParityOutcome one = run_layout(config, alone(layout), kSteps);
      EXPECT_LT(one.losses.back(), one.losses.front());
      for (const int zero : {0, 1, 2, 3}) {
        layout.zero = zero;
        SCOPED_TRACE(text(layout));
        expect_same(run_layout(config, layout, kSteps), one);
      }
    }
  }
}

TEST_P(Parity, ShardGroupsChangeNoBit) {
  const Config config = GetParam().config();
  Layout layout = {.data = 4, .micro_batches = 2};
  const ParityOutcome one = run_layout(config, alone(layout), kSteps);
  for (const int zero : {1, 2, 3}) {
    for (const int group : {1, 2}) {
      layout.zero = zero;
      layout.zero_group = group;
      SCOPED_TRACE(text(layout));
      expect_same(run_layout(config, layout, kSteps), one);
    }
  }
}

// Fast sums round differently: a relative 2^-24 for each of some dozens of
// terms a step, over 20 steps of training. 1e-6 holds, because no step
// amplifies the error.
TEST_P(Parity, FastSumsAgreeWithinRounding) {
  const Config config = GetParam().config();
  Layout layout = {.data = 4, .micro_batches = 4};
  const ParityOutcome one = run_layout(config, alone(layout), kSteps);
  for (const int zero : {0, 1, 2, 3}) {
    layout.zero = zero;
    SCOPED_TRACE(text(layout));
    const ParityOutcome fast =
        run_layout(config, layout, kSteps, comm::SumOrder::kFast);
    EXPECT_LT(worst(fast.losses, one.losses), 1e-6);
  }
}

// SGD's updates are as near as the gradients are (docs/numerics.md).
TEST_P(Parity, FastSumsOfSgdKeepGradientsAndWeightsWithinTheBounds) {
  Config config = GetParam().config();
  config.optimizer.name = &optim::kSgd;
  config.optimizer.learning_rate = 0.2;
  Layout layout = {.data = 4, .micro_batches = 4};
  const ParityOutcome one = run_layout(config, alone(layout), kSteps);
  EXPECT_LT(one.losses.back(), one.losses.front());
  for (const int zero : {0, 1, 2, 3}) {
    layout.zero = zero;
    SCOPED_TRACE(text(layout));
    const ParityOutcome fast =
        run_layout(config, layout, kSteps, comm::SumOrder::kFast);
    EXPECT_LT(worst(fast.losses, one.losses), 1e-6);
    EXPECT_LT(worst({fast.validation}, {one.validation}), 1e-6);
    EXPECT_LT(worst(fast.norms, one.norms), 1e-5);
    EXPECT_LT(worst_element(fast.gradients, one.gradients), 1e-5);
    EXPECT_LT(worst_element(fast.weights, one.weights), 1e-5);
  }
}

}  // namespace
}  // namespace dure
