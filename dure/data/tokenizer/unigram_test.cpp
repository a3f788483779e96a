#include "dure/data/tokenizer/unigram.h"

#include <gtest/gtest.h>

namespace dure::data {
namespace {

using Ids = std::vector<std::int32_t>;

UnigramModel model_of(std::vector<std::string> tokens,
                      std::vector<double> scores) {
  UnigramModel model{std::move(tokens), std::move(scores), 0, {}};
  model.bytes.fill(-1);
  return model;
}

Ids encode(const UnigramModel& model, std::string_view word) {
  Unigram::Scratch scratch;
  return Unigram(model).encode(word, scratch);
}

TEST(Unigram, TheGreatestSumOfScoresWins) {
  const auto model =
      model_of({"<u>", "a", "b", "c", "ab", "bc"}, {0, -2, -2, -2, -3, -1});
  EXPECT_EQ(encode(model, "abc"), (Ids{1, 5}));  // -3; ab c is -5
  EXPECT_EQ(encode(model, "ab"), (Ids{4}));
  EXPECT_EQ(encode(model, ""), Ids{});
}

TEST(Unigram, OfEqualSumsTheLongestLastTokenWins) {
  const auto model =
      model_of({"<u>", "a", "b", "ab", "ba"}, {0, -1, -1, -2, -2});
  EXPECT_EQ(encode(model, "ab"), (Ids{3}));
  EXPECT_EQ(encode(model, "aba"), (Ids{1, 4}));
}

TEST(Unigram, UnknownCharactersInARowAreOneToken) {
  const auto model = model_of({"<u>", "a"}, {0, -1});
  EXPECT_EQ(encode(model, "axya\xed\x95\x9c"), (Ids{1, 0, 1, 0}));
}

TEST(Unigram, UnknownCharactersAreBytesWhereAllHaveAToken) {
  auto model = model_of({"<u>", "a", "<0xC3>", "<0xA9>"}, {0, -1, -9, -9});
  model.bytes[0xc3] = 2;
  model.bytes[0xa9] = 3;
  EXPECT_EQ(encode(model, "a\xc3\xa9\xc3\xa9"), (Ids{1, 2, 3, 2, 3}));
  EXPECT_EQ(encode(model, "\xc3\xa9\xc3\xa8"), (Ids{0}));
}

// Hugging Face does so if the sum of unknowns is above a token's score.
TEST(Unigram, ARunOfUnknownCharactersMayBeAToken) {
  const auto model = model_of({"<u>", "a", "xy"}, {0, -1, -100});
  EXPECT_EQ(encode(model, "xy"), (Ids{2}));
}

TEST(Unigram, OfTokensOfOneTextTheLastIsTaken) {
  EXPECT_EQ(encode(model_of({"<u>", "a", "a"}, {0, -1, -5}), "a"), (Ids{2}));
}

}  // namespace
}  // namespace dure::data
