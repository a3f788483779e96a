// Compares sharded matrices with one rank: losses, gradients and weights agree
// within rounding, and to the bit whatever data parallelism and ZeRO do with
// the same tensor ranks. The bounds are docs/numerics.md's.

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

// There are eight heads, so that eight ranks can divide them, and tokens for
// each of them: a part of the vocabulary is 128 at least.
Config wide(Config config) {
  config.model.hidden = 64;
  config.model.heads = 8;
  config.model.vocabulary = 1000;
  return config;
}

Config wide_gpt() {
  return wide(small_gpt());
}

Config untied_gpt() {
  Config config = wide_gpt();
  config.model.tie_embeddings = false;
  config.model.dropout = 0.1;
  return config;
}

// There are two key-value heads, so four tensor ranks hold each of them twice.
Config wide_llama() {
  return wide(small_llama());
}

Config tied_llama() {
  Config config = wide_llama();
  config.model.tie_embeddings = true;
  config.model.kv_heads = 8;
  return config;
}

constexpr Model kModels[] = {{"Gpt", wide_gpt},
                             {"UntiedGptWithDropout", untied_gpt},
                             {"Llama", wide_llama},
                             {"TiedLlama", tied_llama}};

class TensorParity : public testing::TestWithParam<Model> {};

INSTANTIATE_TEST_SUITE_P(Models,
                         TensorParity,
                         testing::ValuesIn(kModels),
                         [](const auto& model) {
                           return std::string(model.param.name);
                         });

// Calls function(layout) for 1 to 8 tensor ranks, rows whole and cut.
template <typename Function>
void for_each_layout(Function&& function) {
  for (const int tensor : {1, 2, 4, 8}) {
    for (const bool sequence : {false, true}) {
      const Layout layout = {
          .tensor = tensor, .sequence = sequence, .micro_batches = 4};
      SCOPED_TRACE(text(layout));
      function(layout);
    }
  }
}

// SGD's updates are as close as the gradients.
TEST_P(TensorParity, GradientsAndWeightsAreThoseOfOneRank) {
  Config config = GetParam().config();
  config.optimizer.name = &optim::kSgd;
  config.optimizer.learning_rate = 0.2;
  const ParityOutcome one = run_layout(config, {.micro_batches = 4}, kSteps);
  EXPECT_LT(one.losses.back(), one.losses.front());
  for_each_layout([&](const Layout& layout) {
    const ParityOutcome shared = run_layout(config, layout, kSteps);
    EXPECT_LT(worst(shared.losses, one.losses), 1e-6);
    EXPECT_LT(worst(shared.norms, one.norms), 1e-5);
    EXPECT_LT(worst({shared.validation}, {one.validation}), 1e-6);
    EXPECT_LT(worst_element(shared.gradients, one.gradients), 1e-5);
    EXPECT_LT(worst_element(shared.weights, one.weights), 1e-5);
  });
}

// AdamW divides a gradient by its own size. If it is only rounding, such as
// that of a key's bias, it moves its weight by a whole step of the learning
// rate. The loss does not depend on such weights.
TEST_P(TensorParity, LossesOfAdamWAreThoseOfOneRank) {
  const Config config = GetParam().config();
  const ParityOutcome one = run_layout(config, {.micro_batches = 4}, kSteps);
  EXPECT_LT(one.losses.back(), one.losses.front());
  for_each_layout([&](const Layout& layout) {
    const ParityOutcome shared = run_layout(config, layout, kSteps);
    EXPECT_LT(worst(shared.losses, one.losses), 1e-5);
    EXPECT_LT(worst({shared.validation}, {one.validation}), 1e-5);
  });
}

TEST_P(TensorParity, DataAndStagesChangeNoBit) {
  const Config config = GetParam().config();
  for_each_layout([&](Layout layout) {
    const ParityOutcome base = run_layout(config, layout, kSteps);
    layout.data = 2;
    layout.micro_batches = 2;
    for (const int zero : {0, 1, 2, 3}) {
      layout.zero = zero;
      SCOPED_TRACE(text(layout));
      expect_same(run_layout(config, layout, kSteps), base);
    }
  });
}

}  // namespace
}  // namespace dure
