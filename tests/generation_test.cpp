// Generation: the cache changes the speed, but never the text.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/checkpoint/huggingface.h"
#include "dure/checkpoint/sharded/load_weights.h"
#include "dure/infer/generator.h"
#include "dure/launch/run_ranks.h"

namespace dure {
namespace {

using train::Generator;
using train::KvCache;
using train::Tokens;

struct Generation : testing::TestWithParam<std::string> {
  checkpoint::HuggingFaceWeights weights{Path("tests/golden") / GetParam()};
  train::Rank rank{{}};
  train::RankModel rank_model{rank, weights.config(), 0, nn::Phase::kEvaluate};

  void SetUp() override { train::load_weights(rank, rank_model, weights); }

  std::vector<Tokens> generate(const std::vector<Tokens>& prompts,
                               const train::GenerateOptions& options) {
    return Generator(rank, rank_model, options)
        .run(prompts, [](std::size_t, std::int32_t) {});
  }
};

INSTANTIATE_TEST_SUITE_P(Models, Generation, testing::Values("gpt2", "llama"));

const std::vector<Tokens> kPrompts = {
    {1}, {5, 6, 7, 8, 9}, {200, 3, 17}, {42, 42}};

TEST_P(Generation, IsTheSameWithAndWithoutTheCache) {
  for (const double temperature : {0.0, 1.0}) {
    train::GenerateOptions options;
    options.tokens = 20;
    options.sampling.temperature = temperature;
    const auto cached = generate(kPrompts, options);
    options.cache = KvCache::kOff;
    EXPECT_EQ(cached, generate(kPrompts, options));
    EXPECT_EQ(cached[1].size(), 20U);
  }
}

// With ZeRO 3 no rank has a whole model.
TEST_P(Generation, IsTheSameFromWeightsInParts) {
  train::GenerateOptions options;
  options.tokens = 12;
  const auto whole = generate(kPrompts, options);
  launch::run_ranks({.ranks = 3}, [&](comm::Communicator& world) {
    train::Rank one({.world = &world});
    train::RankModel parts(
        one, weights.config(), 0, nn::Phase::kEvaluate, {.stage = 3});
    train::load_weights(one, parts, weights);
    EXPECT_EQ(Generator(one, parts, options)
                  .run(kPrompts, [](std::size_t, std::int32_t) {}),
              whole);
  });
}

// Logits differ in their last bits, and none of these draws falls between.
TEST_P(Generation, IsTheSameFromMatricesThatRanksShare) {
  for (const KvCache cache : {KvCache::kOn, KvCache::kOff}) {
    train::GenerateOptions options;
    options.tokens = 12;
    options.cache = cache;
    const auto whole = generate(kPrompts, options);
    launch::run_ranks({.ranks = 2}, [&](comm::Communicator& world) {
      train::Rank one({.world = &world, .mesh = mesh::Mesh({.tensor = 2})});
      train::RankModel shared(one, weights.config(), 0, nn::Phase::kEvaluate);
      train::load_weights(one, shared, weights);
      EXPECT_EQ(Generator(one, shared, options)
                    .run(kPrompts, [](std::size_t, std::int32_t) {}),
                whole);
    });
  }
}

// It holds for any stages and any groups that go through them, with texts that
// end at different times.
TEST_P(Generation, IsTheSameFromStages) {
  const std::vector<Tokens> prompts = {
      {1}, {5, 6, 7, 8, 9}, {200, 3, 17}, {42, 42}, Tokens(31, 4)};
  train::GenerateOptions options;
  options.tokens = 12;
  const Tokens long_one = generate({prompts[1]}, options)[0];
  options.ends = {long_one[3]};
  const auto whole = generate(prompts, options);
  for (const mesh::Mesh::Sizes sizes :
       {mesh::Mesh::Sizes{.pipe = 2}, {.pipe = 3}, {.pipe = 2, .tensor = 2}}) {
    for (const KvCache cache : {KvCache::kOn, KvCache::kOff}) {
      options.cache = cache;
      launch::run_ranks(
          {.ranks = mesh::Mesh(sizes).size()}, [&](comm::Communicator& world) {
            train::Rank one({.world = &world, .mesh = mesh::Mesh(sizes)});
            train::RankModel stage(
                one, weights.config(), 0, nn::Phase::kEvaluate);
            train::load_weights(one, stage, weights);
            std::vector<Tokens> told(prompts.size());
            EXPECT_EQ(Generator(one, stage, options)
                          .run(prompts,
                               [&](std::size_t prompt, std::int32_t token) {
                                 told[prompt].push_back(token);
                               }),
                      whole);
            EXPECT_EQ(told, whole);
          });
    }
  }
}

TEST_P(Generation, IsTheSameFromStagesOfWeightsInParts) {
  train::GenerateOptions options;
  options.tokens = 6;
  const auto whole = generate(kPrompts, options);
  launch::run_ranks({.ranks = 4}, [&](comm::Communicator& world) {
    train::Rank one(
        {.world = &world, .mesh = mesh::Mesh({.pipe = 2, .data = 2})});
    train::RankModel parts(
        one, weights.config(), 0, nn::Phase::kEvaluate, {.stage = 3});
    train::load_weights(one, parts, weights);
    EXPECT_EQ(Generator(one, parts, options)
                  .run(kPrompts, [](std::size_t, std::int32_t) {}),
              whole);
  });
}

TEST_P(Generation, OfAPromptDoesNotDependOnItsNeighbours) {
  train::GenerateOptions options;
  options.tokens = 12;
  options.sampling.temperature = 0;
  const auto batch = generate(kPrompts, options);
  for (std::size_t i = 0; i < kPrompts.size(); ++i) {
    EXPECT_EQ(generate({kPrompts[i]}, options)[0], batch[i]);
  }
}

TEST_P(Generation, EndsAtTheEndTokenAndAtTheLastPosition) {
  train::GenerateOptions options;
  options.tokens = 1000;
  options.sampling.temperature = 0;
  const Tokens all = generate({kPrompts[1]}, options)[0];
  EXPECT_EQ(std::ssize(all) + 5, weights.config().max_sequence);
  options.ends = {all[4]};
  const Tokens until_end = generate({kPrompts[1]}, options)[0];
  EXPECT_LE(until_end.size(), 4U);
  EXPECT_EQ(std::count(until_end.begin(), until_end.end(), all[4]), 0);
}

TEST_P(Generation, RefusesWhatTheModelCannotRead) {
  const train::GenerateOptions options;
  EXPECT_THROW(generate({{}}, options), UsageError);
  EXPECT_THROW(generate({{211}}, options), UsageError);
  EXPECT_THROW(generate({{-1}}, options), UsageError);
  EXPECT_THROW(generate({Tokens(32, 1)}, options), UsageError);
}

}  // namespace
}  // namespace dure
