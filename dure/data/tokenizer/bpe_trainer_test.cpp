#include "dure/data/tokenizer/bpe_trainer.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::data {
namespace {

std::vector<std::string> learnt(const WordCounts& words,
                                const BpeTrainingOptions& options) {
  const TokenizerParts parts = train_bpe(words, options);
  const auto& tokens = parts.tokens();
  return {tokens.begin() + 257, tokens.end()};
}

TEST(BpeTrainer, TheMostFrequentPairIsLearntFirst) {
  const WordCounts words = {{"hug", 10}, {"hugs", 5}, {"pug", 5}, {"pun", 12}};
  // The pairs are u-g 20, h-ug 15, p-u 12 before u-n 12 because p < u, pu-n 12,
  // and p-ug 5 before hug-s 5.
  EXPECT_EQ(learnt(words, {.vocabulary = 262}),
            (std::vector<std::string>{"ug", "hug", "pu", "pun", "pug"}));
}

TEST(BpeTrainer, OfEquallyFrequentPairsTheSmallerIdsGoFirst) {
  EXPECT_EQ(learnt({{"cd", 3}, {"ab", 3}}, {.vocabulary = 258}),
            (std::vector<std::string>{"ab"}));
}

TEST(BpeTrainer, CountsFollowTheMerges) {
  // a-a is twice in "aaa", but after one merge only (aa)-a is left.
  EXPECT_EQ(learnt({{"aaa", 4}}, {.vocabulary = 300}),
            (std::vector<std::string>{"aa", "aaa"}));
}

TEST(BpeTrainer, RarePairsAreNotLearnt) {
  EXPECT_EQ(
      learnt({{"ab", 5}, {"cd", 4}}, {.vocabulary = 300, .min_frequency = 5}),
      (std::vector<std::string>{"ab"}));
}

TEST(BpeTrainer, SpecialTokensComeFirstAndThenTheBytes) {
  const auto parts =
      train_bpe({}, {.vocabulary = 300, .special_tokens = {"<a>", "<b>"}});
  EXPECT_EQ(parts.tokens().size(), 258U);
  EXPECT_EQ(parts.tokens()[1], "<b>");
  EXPECT_EQ(parts.tokens()[2], "!");  // the alphabet's first character
  EXPECT_EQ(parts.end_of_document, 0);
}

TEST(BpeTrainer, AWordThatSpellsASpecialTokenBecomesIt) {
  const auto parts =
      train_bpe({{"<a>", 9}}, {.vocabulary = 300, .special_tokens = {"<a>"}});
  EXPECT_EQ(parts.tokens().size(), 258U);  // "<a" is new
  EXPECT_EQ(std::get<BpeModel>(parts.model).merges.back().result, 0);
}

TEST(BpeTrainer, AVocabularyWithoutRoomForTheBytesIsRefused) {
  EXPECT_THROW(train_bpe({}, {.vocabulary = 256}), UsageError);
  EXPECT_NO_THROW(train_bpe({}, {.vocabulary = 257}));
  EXPECT_THROW(train_bpe({}, {.special_tokens = {""}}), UsageError);
}

}  // namespace
}  // namespace dure::data
