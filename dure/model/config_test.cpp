#include "dure/model/config.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/model/families/families.h"
#include "dure/model/families/keys.h"
#include "dure/model/llama/llama.h"

namespace dure::model {
namespace {

using testing::HasSubstr;

std::string error_of(const ModelConfig& config) {
  try {
    validate(resolve(config));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Vocabulary, IsPaddedTo128TimesTheTensorSize) {
  EXPECT_EQ(padded_vocabulary(50257, 1), 50304);
  EXPECT_EQ(padded_vocabulary(50257, 2), 50432);
  EXPECT_EQ(padded_vocabulary(50257, 4), 50688);
  EXPECT_EQ(padded_vocabulary(128, 1), 128);
  EXPECT_EQ(padded_vocabulary(1, 8), 1024);
}

TEST(ModelConfig, ResolvesWidthsOfItsFamily) {
  EXPECT_EQ(resolve({.hidden = 768}).ffn_hidden, 3072);
  EXPECT_EQ(resolve({.heads = 12}).kv_heads, 12);
  ModelConfig llama = of_family(kLlama);
  llama.hidden = 4096;
  EXPECT_EQ(resolve(llama).ffn_hidden, 11008);  // as Llama 2 7B
  llama.hidden = 5120;
  EXPECT_EQ(resolve(llama).ffn_hidden, 13824);  // as Llama 2 13B
}

TEST(ModelConfig, KeepsWhatIsResolved) {
  const ModelConfig config = resolve({.kv_heads = 4, .ffn_hidden = 100});
  EXPECT_EQ(config.kv_heads, 4);
  EXPECT_EQ(config.ffn_hidden, 100);
  EXPECT_EQ(resolve(config), config);
}

TEST(ModelConfig, RefusesHeadsThatDoNotDivide) {
  EXPECT_EQ(error_of({.hidden = 768, .heads = 7}),
            "model.hidden: wanted a multiple of model.heads, 7, got 768");
  EXPECT_EQ(error_of({.heads = 12, .kv_heads = 5}),
            "model.heads: wanted a multiple of model.kv_heads, 5, got 12");
}

TEST(ModelConfig, RefusesAnOddHeadUnderRope) {
  ModelConfig config = of_family(kLlama);
  config.hidden = 36;
  EXPECT_THAT(error_of(config), HasSubstr("even number a head"));
  config.position = Position::kLearned;
  EXPECT_EQ(error_of(config), "no error");
}

TEST(ModelConfig, RefusesValuesOutOfRangeHoweverTheyGotThere) {
  EXPECT_THAT(error_of({.layers = 0}), HasSubstr("model.layers: wanted"));
  EXPECT_THAT(error_of({.heads = 0}), HasSubstr("model.heads: wanted"));
  EXPECT_THAT(error_of({.kv_heads = -1}), HasSubstr("model.kv_heads: wanted"));
  EXPECT_THAT(error_of({.vocabulary = 0}), HasSubstr("model.vocabulary"));
  EXPECT_THAT(error_of({.dropout = 1}), HasSubstr("model.dropout"));
  ModelConfig config;
  config.dropout.attention = -0.1;
  EXPECT_THAT(error_of(config), HasSubstr("model.attention_dropout"));
  EXPECT_THAT(error_of({.norm_epsilon = 1e-60}),
              HasSubstr("model.norm_epsilon"));
  EXPECT_THAT(error_of({.hidden = std::int64_t{1} << 40}),
              HasSubstr("model.hidden"));
}

TEST(Presets, AreValidAndResolved) {
  for (const Preset& preset : presets()) {
    EXPECT_EQ(error_of(preset.config), "no error") << preset.config.preset;
    EXPECT_EQ(resolve(preset.config), preset.config) << preset.config.preset;
    EXPECT_FALSE(preset.remark.empty());
  }
}

TEST(Presets, AreFoundByNameAndTheNearestIsNamed) {
  EXPECT_EQ(preset("gpt3-175b").layers, 96);
  try {
    preset("gpt2-125m");
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(),
                 "model.preset: unknown preset \"gpt2-125m\"; did you mean "
                 "gpt2-124m?");
  }
}

}  // namespace
}  // namespace dure::model
