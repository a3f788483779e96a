#include "dure/plan/stage_plan.h"

#include <numeric>

#include <gtest/gtest.h>

#include "dure/config/load_config.h"
#include "dure/model/count.h"
#include "dure/model/family.h"
#include "dure/plan/predict.h"

namespace dure::plan {
namespace {

train::Config gpt2(const std::vector<std::string>& sets) {
  std::vector<std::string> all = {"model.preset=gpt2-124m",
                                  "model.tie_embeddings=false",
                                  "parallel.pipeline=4"};
  all.insert(all.end(), sets.begin(), sets.end());
  return train::parse_config("", "none", all).config;
}

std::vector<std::int64_t> parameters(const train::Config& config) {
  std::vector<std::int64_t> all;
  for (const PipelineStage& stage : plan_stages(config)) {
    all.push_back(stage.parameters);
  }
  return all;
}

using Numbers = std::vector<std::int64_t>;

// The numbers are those of DeepSpeed's cut by blocks, and of GPipe's balance.
TEST(PlanStages, HasThePublishedParameters) {
  const Numbers even = {60'647'424, 21'263'616, 21'263'616, 59'862'528};
  EXPECT_EQ(parameters(gpt2({"parallel.split=[4, 3, 3, 4]"})), even);
  EXPECT_EQ(parameters(gpt2({"parallel.split=type:block"})), even);
  EXPECT_EQ(parameters(gpt2({})), even);
  EXPECT_EQ(parameters(gpt2({"parallel.split=3,5,5,1"})),
            (Numbers{53'559'552, 35'439'360, 35'439'360, 38'598'912}));
}

TEST(PlanStages, SaysWhatEachHas) {
  const std::vector<PipelineStage> stages =
      plan_stages(gpt2({"parallel.split=4,3,3,4"}));
  ASSERT_EQ(stages.size(), 4U);
  EXPECT_EQ(stages[3].rank, 3);
  EXPECT_EQ(stages[3].units, (model::UnitRange{10, 15}));
  EXPECT_EQ(stages[3].layers, (model::LayerRange{10, 14}));
  EXPECT_EQ(stages[1].flops_share, stages[2].flops_share);
  const double shares =
      std::accumulate(stages.begin(),
                      stages.end(),
                      0.0,
                      [](double sum, const PipelineStage& stage) {
                        return sum + stage.flops_share;
                      });
  EXPECT_NEAR(shares, 1, 1e-12);  // four roundings of numbers below 1
}

TEST(PlanStages, GoesRoundTheRanksWithChunks) {
  const std::vector<PipelineStage> stages = plan_stages(
      gpt2({"parallel.schedule=interleaved", "parallel.virtual_stages=3"}));
  ASSERT_EQ(stages.size(), 12U);
  EXPECT_EQ(stages[5].rank, 1);
  EXPECT_EQ(stages[5].chunk, 1);
}

// The memory of a rank includes the vocabulary's padding: 47 rows of 768 in the
// embedding, and in the head.
TEST(WeightsByRank, AreThoseOfTheStages) {
  constexpr std::int64_t kPadding = 47 * 768;
  EXPECT_EQ(weights_by_rank(gpt2({"parallel.split=4,3,3,4"})),
            (Numbers{60'647'424 + kPadding,
                     21'263'616,
                     21'263'616,
                     59'862'528 + kPadding}));
}

TEST(WeightsByRank, OfChunksAreTogether) {
  const train::Config config = gpt2({"parallel.pipeline=2",
                                     "parallel.schedule=interleaved",
                                     "parallel.virtual_stages=2"});
  const std::vector<PipelineStage> stages = plan_stages(config);
  const Numbers held = weights_by_rank(config);
  ASSERT_EQ(held.size(), 2U);
  EXPECT_EQ(held[0], stages[0].parameters + stages[2].parameters + 47 * 768);
  EXPECT_EQ(held[1], stages[1].parameters + stages[3].parameters + 47 * 768);
}

// The parts of a stage's weights add up over the ranks that share them.
TEST(WeightsByRank, OfZero3AddUpToTheStages) {
  const Numbers whole = weights_by_rank(gpt2({}));
  const Numbers shared =
      weights_by_rank(gpt2({"parallel.data=2", "parallel.zero=3"}));
  ASSERT_EQ(shared.size(), 8U);
  // The pipe axis varies slower than tensor and data.
  for (std::size_t s = 0; s < whole.size(); ++s) {
    EXPECT_EQ(shared[2 * s] + shared[2 * s + 1], whole[s]);
  }
}

}  // namespace
}  // namespace dure::plan
