#include "dure/model/stage_split.h"

#include <algorithm>
#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/model/count.h"
#include "dure/model/families/families.h"

namespace dure::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// GPT-2 small with an untied head.
ModelConfig gpt2() {
  ModelConfig config = resolve(preset("gpt2-124m"));
  config.tie_embeddings = false;
  return config;
}

ModelConfig of_blocks(std::int64_t layers) {
  ModelConfig config = gpt2();
  config.layers = layers;
  return config;
}

std::vector<UnitRange> split(const ModelConfig& config,
                             const std::string& text,
                             int stages) {
  return split_units(config, parse_split(text), stages);
}

std::vector<std::int64_t> counts(const ModelConfig& config,
                                 const std::string& text,
                                 int stages) {
  std::vector<std::int64_t> result;
  for (const UnitRange& units : split(config, text, stages)) {
    const LayerRange layers = layers_of_units(config, units);
    result.push_back(layers.last - layers.first);
  }
  return result;
}

std::vector<std::int64_t> parameters(const ModelConfig& config,
                                     const std::string& text,
                                     int stages) {
  std::vector<std::int64_t> result;
  for (const StageCount& stage : count(config, split(config, text, stages))) {
    result.push_back(stage.published);
  }
  return result;
}

template <typename Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

// Checks the drawing in the header.
TEST(StageSplit, IsTheDrawnOne) {
  const std::vector<UnitRange> even{{0, 4}, {4, 7}, {7, 10}, {10, 15}};
  EXPECT_EQ(split(gpt2(), "even", 4), even);
  const std::vector<UnitRange> given{{0, 3}, {3, 8}, {8, 13}, {13, 15}};
  EXPECT_EQ(split(gpt2(), "3, 5,5,1", 4), given);
}

TEST(StageSplit, OfDeepSpeedsExampleHasItsParameters) {
  for (const char* text : {"4,3,3,4", "even", "type:block", "type:BLO"}) {
    EXPECT_EQ(counts(gpt2(), text, 4), (std::vector<std::int64_t>{4, 3, 3, 4}))
        << text;
    EXPECT_THAT(parameters(gpt2(), text, 4),
                ElementsAre(60'647'424, 21'263'616, 21'263'616, 59'862'528))
        << text;
  }
}

TEST(StageSplit, OfGPipesBalanceHasItsParameters) {
  EXPECT_THAT(parameters(gpt2(), "3,5,5,1", 4),
              ElementsAre(53'559'552, 35'439'360, 35'439'360, 38'598'912));
}

TEST(StageSplit, TiedHoldsTheTokensTwice) {
  ModelConfig tied = gpt2();
  tied.tie_embeddings = true;
  EXPECT_EQ(parameters(tied, "even", 4), parameters(gpt2(), "even", 4));
  EXPECT_THAT(parameters(tied, "even", 1), ElementsAre(124'439'808));
}

// Megatron's 24 layers of 1024, padded for 4 tensor ranks: the weights outside
// the blocks are on the first and last of 2 stages.
TEST(StageSplit, CountsWhatATensorRankHolds) {
  const ModelConfig config = resolve(preset("gpt2-355m"));
  const auto stages =
      count(config,
            split(config, "even", 2),
            mesh::Place().with(mesh::Axis::kTensor, {.count = 4}));
  ASSERT_EQ(stages.size(), 2U);
  EXPECT_EQ(stages[0].per_rank + stages[1].per_rank,
            89'714'688 + 50'688 / 4 * 1024);
}

TEST(StageSplit, EvenGivesItsRestToStagesWithoutHead) {
  EXPECT_THAT(counts(of_blocks(13), "even", 4), ElementsAre(4, 4, 3, 4));
  EXPECT_THAT(counts(of_blocks(14), "even", 4), ElementsAre(4, 4, 4, 4));
  EXPECT_THAT(counts(of_blocks(15), "even", 4), ElementsAre(5, 4, 4, 4));
  EXPECT_THAT(counts(of_blocks(3), "even", 2), ElementsAre(3, 2));
  EXPECT_THAT(counts(of_blocks(2), "even", 4), ElementsAre(1, 1, 1, 1));
}

TEST(StageSplit, ByParametersMakesTheLargestSmall) {
  // The embedding's 39.4 million and the head's 38.6 stand alone; the two
  // stages between them share the blocks' 85.1.
  EXPECT_THAT(counts(gpt2(), "parameters", 4), ElementsAre(1, 6, 6, 1));
  EXPECT_THAT(counts(gpt2(), "parameters", 2), ElementsAre(7, 7));
  ModelConfig tied = gpt2();
  tied.tie_embeddings = true;
  EXPECT_EQ(counts(tied, "parameters", 4), counts(gpt2(), "parameters", 4));
}

TEST(StageSplit, ByTypeCountsWhatMatches) {
  EXPECT_THAT(counts(of_blocks(4), "type:embedding|head", 2),
              ElementsAre(3, 3));
  EXPECT_THAT(counts(of_blocks(4), "type:.", 3), ElementsAre(2, 2, 2));
  // 7 blocks on 4 stages are 2, 2, 2 and 1.
  EXPECT_THAT(counts(of_blocks(7), "type:^block$", 4), ElementsAre(3, 2, 2, 2));
}

StageSplit measured(const std::vector<double>& seconds, double link_seconds) {
  StageSplit split = parse_split("profile");
  split.profile.link_bytes_per_second = 2;  // 1 byte there and back
  for (const double each : seconds) {
    split.profile.layers.push_back({.forward_seconds = each / 4,
                                    .backward_seconds = each * 3 / 4,
                                    .output_bytes = link_seconds});
  }
  return split;
}

TEST(StageSplit, ByProfileMakesTheSlowestFast) {
  const ModelConfig config = of_blocks(4);
  const std::vector<UnitRange> units =
      split_units(config, measured({0, 2, 2, 2, 2, 4}, 1), 3);
  const std::vector<UnitRange> expected{{0, 3}, {3, 5}, {5, 7}};
  EXPECT_EQ(units, expected);
}

TEST(StageSplit, ByProfileCutsWhereLittleIsSent) {
  const ModelConfig config = of_blocks(4);
  StageSplit split = measured({1, 1, 1, 1, 1, 1}, 1);
  split.profile.layers[2].output_bytes = 10;  // in the middle
  const std::vector<UnitRange> units = split_units(config, split, 2);
  EXPECT_NE(units[0].last, 3);
}

// In every way, for all small sizes, every layer is in one stage, and none is
// empty.
TEST(StageSplit, CoversEveryUnitOnce) {
  for (std::int64_t layers = 1; layers <= 9; ++layers) {
    const ModelConfig config = of_blocks(layers);
    for (int stages = 1; stages <= layers + 2; ++stages) {
      for (const char* text : {"even", "parameters", "type:block", "type:."}) {
        const std::vector<UnitRange> all = split(config, text, stages);
        ASSERT_EQ(all.size(), static_cast<std::size_t>(stages));
        EXPECT_EQ(all.front().first, 0);
        EXPECT_EQ(all.back().last, std::ssize(units(config)));
        for (std::size_t s = 0; s < all.size(); ++s) {
          const LayerRange range = layers_of_units(config, all[s]);
          EXPECT_LT(range.first, range.last);
          EXPECT_TRUE(s == 0 || all[s - 1].last == all[s].first);
        }
      }
    }
  }
}

// Megatron-LM cuts like this.
TEST(StageSplit, EvenGivesEqualBlocksWhereTheyDivide) {
  const ModelConfig config = of_blocks(24);
  for (const int stages : {2, 3, 4, 6, 8, 12, 24}) {
    std::vector<std::int64_t> each(static_cast<std::size_t>(stages),
                                   24 / stages);
    ++each.front();
    ++each.back();
    EXPECT_EQ(counts(config, "even", stages), each);
  }
}

TEST(StageSplit, ThatCannotBeSaysWhatWouldDo) {
  const auto error = [](const std::string& text, int stages) {
    return error_of([&] { split(gpt2(), text, stages); });
  };
  EXPECT_THAT(error("even", 15),
              HasSubstr("at most as many stages as 14 layers (the embedding, "
                        "12 blocks, the head), got 15"));
  EXPECT_THAT(error("even", 15), HasSubstr("model.layers of 13 or more"));
  EXPECT_THAT(error("4,3,7", 4),
              HasSubstr("wanted 4 counts, one a stage, got 3 in [4, 3, 7]; "
                        "even is [4, 3, 3, 4]"));
  EXPECT_THAT(error("3,3,3,3", 4), HasSubstr("which is 12; even is [4, 3,"));
  EXPECT_THAT(error("type:attention", 4), HasSubstr("matches none"));
  std::string endless = "type:";
  for (int i = 0; i < 50; ++i) {
    endless += ".*";
  }
  EXPECT_THAT(error(endless + "\\d", 4), HasSubstr("match limit"));
  EXPECT_THAT(error("profile", 4), HasSubstr("dure plan profile"));
}

TEST(StageSplit, IsReadFromItsText) {
  EXPECT_EQ(parse_split("even"), StageSplit{});
  EXPECT_EQ(parse_split(" 4 , 3,3,4 ").counts,
            (std::vector<std::int64_t>{4, 3, 3, 4}));
  EXPECT_EQ(parse_split("type:GPT2Block").pattern, "GPT2Block");
  for (const char* text : {"",
                           "Even",
                           "evenly",
                           "4,",
                           ",4",
                           "4,,3",
                           "4 3",
                           "0,4",
                           "-1,4",
                           "4.0,3",
                           "9223372036854775807,1",
                           "type:",
                           "type:(",
                           "type:[z-a]"}) {
    EXPECT_THROW(parse_split(text), UsageError) << text;
  }
}

}  // namespace
}  // namespace dure::model
