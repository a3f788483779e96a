#include "dure/model/count.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/model/families/families.h"

namespace dure::model {
namespace {

mesh::Place tensor_ranks(std::int64_t count) {
  return mesh::Place().with(mesh::Axis::kTensor, {.count = count});
}

struct Published {
  const char* preset;
  std::int64_t parameters;
};

class PublishedCount : public testing::TestWithParam<Published> {};

TEST_P(PublishedCount, IsThePresets) {
  const auto& [name, parameters] = GetParam();
  EXPECT_EQ(count(preset(name)).published, parameters);
}

INSTANTIATE_TEST_SUITE_P(
    Models,
    PublishedCount,
    testing::Values(Published{"gpt2-124m", 124'439'808},
                    Published{"gpt2-355m", 354'823'168},
                    Published{"gpt2-774m", 774'030'080},
                    Published{"gpt2-1558m", 1'557'611'200},
                    Published{"llama2-7b", 6'738'415'616},
                    Published{"llama2-13b", 13'015'864'320},
                    Published{"llama2-70b", 68'976'648'192},
                    Published{"llama3-8b", 8'030'261'248},
                    // Llama 3.2 1B has 1,235,814,400 with its head tied.
                    Published{"llama-1b", 1'235'814'400 + 128'256LL * 2048}),
    [](const auto& test) {
      std::string name = test.param.preset;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

// GPT-3's table rounds: its sizes are within 4 % of ours.
TEST(Count, OfGpt3IsNearItsTable) {
  const std::map<std::string, double> billions = {{"gpt3-125m", 0.125},
                                                  {"gpt3-350m", 0.350},
                                                  {"gpt3-760m", 0.760},
                                                  {"gpt3-1.3b", 1.3},
                                                  {"gpt3-2.7b", 2.7},
                                                  {"gpt3-6.7b", 6.7},
                                                  {"gpt3-13b", 13},
                                                  {"gpt3-175b", 175}};
  for (const auto& [name, size] : billions) {
    const auto parameters = static_cast<double>(count(preset(name)).published);
    EXPECT_NEAR(parameters / 1e9 / size, 1, 0.04) << name;
  }
}

TEST(Count, OfATiedHeadIsOnce) {
  ModelConfig config = preset("gpt2-124m");
  EXPECT_EQ(count(config).block, 7'087'872);
  config.tie_embeddings = false;
  EXPECT_EQ(count(config).published, 163'037'184);
}

TEST(Count, OfThePartsIsTheWhole) {
  for (const Preset& preset : presets()) {
    const Count all = count(preset.config);
    std::int64_t sum = 0;
    for (const auto& [part, parameters] : all.parts) {
      sum += parameters;
    }
    EXPECT_EQ(sum, all.published) << preset.config.preset;
  }
}

// Megatron's logs count a GPT of 24 layers of 1024 so.
TEST(Count, PadsTheVocabularyByTheTensorSize) {
  const ModelConfig config = preset("gpt2-355m");
  EXPECT_EQ(count(config, tensor_ranks(1)).padded, 354'871'296);
  EXPECT_EQ(count(config, tensor_ranks(1)).per_rank, 354'871'296);
  EXPECT_EQ(count(config, tensor_ranks(4)).per_rank, 89'714'688);
}

// A block has 8 groups of heads for 2 key-value heads: on 8 ranks each holds
// one of the 2.
TEST(Count, OfARankHasKeyValueHeadsOfItsOwn) {
  ModelConfig config = preset("llama-1b");
  config.layers = 1;
  config.heads = 8;
  config.kv_heads = 2;
  const std::int64_t d = config.hidden / config.heads;
  EXPECT_EQ(count(config, tensor_ranks(8)).per_rank -
                count(config, tensor_ranks(8)).padded / 8,
            // k and v are on 4 ranks each; two norms and the last one are
            // whole.
            2 * config.hidden * d * 3 / 4 + 3 * config.hidden * 7 / 8);
}

TEST(Count, OfARankNeedsHeadsThatDivide) {
  EXPECT_THROW(count(preset("gpt2-1558m"), tensor_ranks(2)),
               Error);  // 25 heads of 64
  EXPECT_NO_THROW(count(preset("gpt2-124m"), tensor_ranks(4)));
}

std::int64_t sum(const std::vector<std::int64_t>& layers, int from, int to) {
  return std::accumulate(
      layers.begin() + from, layers.begin() + to, std::int64_t{0});
}

// DeepSpeed cuts [embeddings, 12 blocks, head] by blocks, and GPipe has a
// balance of 3, 5, 5, 1.
TEST(Count, ByLayerAddsUpToPipelineStages) {
  ModelConfig config = preset("gpt2-124m");
  config.tie_embeddings = false;
  const auto layers = parameters_by_layer(config);
  ASSERT_EQ(layers.size(), 14U);
  EXPECT_EQ(sum(layers, 0, 4), 60'647'424);
  EXPECT_EQ(sum(layers, 4, 7), 21'263'616);
  EXPECT_EQ(sum(layers, 7, 10), 21'263'616);
  EXPECT_EQ(sum(layers, 10, 14), 59'862'528);
  EXPECT_EQ(sum(layers, 0, 3), 53'559'552);
  EXPECT_EQ(sum(layers, 3, 8), 35'439'360);
  EXPECT_EQ(sum(layers, 8, 13), 35'439'360);
  EXPECT_EQ(sum(layers, 13, 14), 38'598'912);
}

}  // namespace
}  // namespace dure::model
