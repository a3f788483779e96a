#include "tests/oracle/activation_memory.h"

#include <gtest/gtest.h>

#include "dure/model/families/families.h"

namespace dure::model {
namespace {

using parallel::Rows;

// The paper's model of 22 billion parameters [activation_memory.h, table 3].
ModelConfig of_22b() {
  ModelConfig config;
  config.layers = 48;
  config.hidden = 6144;
  config.heads = 64;
  config.vocabulary = 51200;
  config.max_sequence = 2048;
  return resolve(config);
}

ModelConfig gpt2() {
  return resolve(preset("gpt2-124m"));
}

// Ours are the published bytes without attention's matrices and the masks of
// two dropouts, a byte an element, plus statistics and log sums.
TEST(ActivationMemory, IsThePublishedWithoutScoresAndMasks) {
  const ModelConfig config = of_22b();
  for (const std::int64_t tensor : {1, 2, 8}) {
    for (const Rows cut : {Rows::kWhole, Rows::kCut}) {
      const StepShape step = {.rows = 8192,
                              .tensor = tensor,
                              .cut = cut,
                              .activations = DType::kBf16};
      const BlockActivations block = block_activations(config, step);
      const std::int64_t masks =
          2 * step.rows * config.hidden / (cut == Rows::kCut ? tensor : 1);
      const std::int64_t ours =
          block.total() - block.statistics - block.log_sums;
      EXPECT_DOUBLE_EQ(published_block_bytes(config, step, 0),
                       static_cast<double>(ours + masks));
      EXPECT_LT(block.statistics + block.log_sums, block.total() / 100);
    }
  }
}

// The paper's formulas for s = 2048, b = 4, a = 64, h = 6144 on 8 ranks: 8192 x
// 6144 x (10 + 24 / 8 + 5 x 64 x 2048 / (6144 x 8)), and an eighth of 8192 x
// 6144 x (34 + 5 x 64 x 2048 / 6144).
TEST(ActivationMemory, HasThePublishedFormulas) {
  StepShape step = {.rows = 8192, .tensor = 8, .activations = DType::kF32};
  EXPECT_DOUBLE_EQ(published_block_bytes(of_22b(), step, 2048),
                   1264.0 * (1 << 20));
  step.cut = Rows::kCut;
  EXPECT_DOUBLE_EQ(published_block_bytes(of_22b(), step, 2048),
                   844.0 * (1 << 20));
}

// Qi et al. have 32 s b h for a pass that makes weights' gradients
// [activation_memory.h].
TEST(ActivationMemory, OfGradientsPutOffIsThePublished) {
  const StepShape step = {.rows = 8192, .activations = DType::kBf16};
  EXPECT_EQ(deferred_bytes(of_22b(), step), 32LL * 8192 * 6144);
}

// The numbers are those of docs/activation_memory.md.
TEST(ActivationMemory, OfGpt2) {
  StepShape step = {.rows = 1024, .activations = DType::kF32};
  EXPECT_EQ(kept_bytes(gpt2(), step), 50'397'184);
  EXPECT_EQ(peak_activation_bytes(gpt2(), step), 614'228'096);
  EXPECT_EQ(deferred_bytes(gpt2(), step), 16 * 1024 * 768 * 4);
  step.activation_policy.recompute = Recompute::kSelective;
  EXPECT_EQ(kept_bytes(gpt2(), step), 31'506'432);
  step.activation_policy.recompute = Recompute::kFull;
  EXPECT_EQ(kept_bytes(gpt2(), step), 3'145'728);
}

// The first of 3 ranks has 342 of 1,024 rows.
TEST(ActivationMemory, OfPartsIsTheLargest) {
  const StepShape step = {
      .rows = 1024,
      .tensor = 3,
      .activation_policy = {.recompute = Recompute::kFull,
                            .checkpoints = CheckpointedInputs::kParts},
      .activations = DType::kF32};
  EXPECT_EQ(kept_bytes(gpt2(), step), 342 * 768 * 4);
}

// A rank has at least one key-value head.
TEST(ActivationMemory, KeepsAKeyValueHeadOnEveryRank) {
  ModelConfig config = gpt2();
  config.kv_heads = 1;
  const StepShape step = {.rows = 64, .tensor = 4, .activations = DType::kF32};
  EXPECT_EQ(block_activations(config, step).qkv, 64 * (3 + 2) * 64 * 4);
}

}  // namespace
}  // namespace dure::model
