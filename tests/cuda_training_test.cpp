// Training on a GPU, or on the emulated one: what one rank of the CPU does.

#include <filesystem>
#include <fmt/core.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/parity/bounds.h"
#include "dure/run/run_checkpoint.h"
#include "dure/train/options.h"
#include "tests/parity_run.h"

namespace dure {
namespace {

using train::Compute;
using train::Config;
using train::Quantity;

constexpr int kSteps = 3;

struct Case {
  const char* name;
  Config config;
};

Config with(Config config, const train::PrecisionConfig& precision) {
  config.precision = precision;
  return config;
}

Config recomputed(Config config, model::Recompute recompute) {
  config.memory.recompute = recompute;
  return config;
}

Config with_dropout(Config config) {
  config.model.dropout = 0.1;
  return config;
}

const Case kCases[] = {
    {"Gpt", small_gpt()},
    {"Llama", small_llama()},
    {"GptWithDropout", with_dropout(small_gpt())},
    {"GptRecomputingSome",
     recomputed(with_dropout(small_gpt()), model::Recompute::kSelective)},
    {"LlamaRecomputingAll", recomputed(small_llama(), model::Recompute::kFull)},
    {"GptInBf16", with(small_gpt(), {.compute = Compute::kBf16})},
    {"LlamaInBf16WithoutMasters",
     with(small_llama(),
          {.compute = Compute::kBf16,
           .master = train::Master::kNone,
           .states = train::StateType::kBf16})},
    {"GptInFp16",
     with(small_gpt(),
          {.compute = Compute::kFp16, .loss_scale = train::kDynamicScale})},
};

Config on(Device device, const Config& config) {
  Config result = layout_config(config, {.micro_batches = 2});
  result.train.device = device;
  return result;
}

class CudaTraining : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Runs,
                         CudaTraining,
                         testing::ValuesIn(kCases),
                         [](const auto& one) {
                           return std::string(one.param.name);
                         });

// Within the bounds between layouts whose sums are cut otherwise.
TEST_P(CudaTraining, IsTheCpus) {
  const Config here = on(Device::kCuda, GetParam().config);
  const Config reference = on(Device::kCpu, GetParam().config);
  const train::ParityRule rule = rule_of(here, reference);
  const ParityOutcome gpu = run_config(here, kSteps);
  const ParityOutcome cpu = run_config(reference, kSteps);
  for (int step = 0; step < kSteps; ++step) {
    const auto i = static_cast<std::size_t>(step);
    EXPECT_LE(worst({gpu.losses[i]}, {cpu.losses[i]}),
              rule.bound(Quantity::kLoss, step + 1).value());
    if (const auto bound = rule.bound(Quantity::kNorm, step + 1)) {
      EXPECT_LE(worst({gpu.norms[i]}, {cpu.norms[i]}), *bound);
    }
  }
  EXPECT_LE(worst({gpu.validation}, {cpu.validation}),
            rule.bound(Quantity::kEvaluation, kSteps).value());
  const ParityOutcome one_gpu = run_config(here, 1);
  const ParityOutcome one_cpu = run_config(reference, 1);
  EXPECT_LE(worst_element(one_gpu.gradients, one_cpu.gradients),
            rule.bound(Quantity::kGradient, 1).value());
}

TEST_P(CudaTraining, GivesTheSameBitsTwice) {
  const Config config = on(Device::kCuda, GetParam().config);
  expect_same(run_config(config, kSteps), run_config(config, kSteps));
}

// Only the losses are waited for, and a step begins before they are read.
TEST_P(CudaTraining, StopsTheHostOnceInASteadyStep) {
  const Config config = on(Device::kCuda, GetParam().config);
  train::Rank rank(train::rank_options(config));
  train::Trainer trainer(rank, config);
  trainer.step(small_data());
  trainer.begin(small_data());
  const std::int64_t before = rank.stream.synchronizations();
  for (int step = 0; step < 3; ++step) {
    trainer.begin(small_data());
    trainer.end();
  }
  EXPECT_EQ(rank.stream.synchronizations() - before, 3);
  trainer.end();
}

}  // namespace
}  // namespace dure
