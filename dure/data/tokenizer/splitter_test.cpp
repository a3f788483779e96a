#include "dure/data/tokenizer/splitter.h"

#include <gtest/gtest.h>

namespace dure::data {
namespace {

using Words = std::vector<std::string>;

Words words(const PieceSteps& steps,
            std::string_view text,
            PieceAt at = PieceAt::kBeginning) {
  SplitScratch scratch;
  Words found;
  Splitter(steps).for_each(text, at, scratch, [&](std::string_view word) {
    found.emplace_back(word);
  });
  return found;
}

// The text is the example for behaviors in Hugging Face's documentation.
TEST(Splitter, AMatchIsWhatIsSaidOfIt) {
  const std::string text = "the-final--countdown";
  const auto cut = [&](CutText::Match match) {
    return words({CutText{.pattern = "-", .match = match}}, text);
  };
  EXPECT_EQ(cut(CutText::Match::kIsolated),
            (Words{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(cut(CutText::Match::kRemoved),
            (Words{"the", "final", "countdown"}));
  EXPECT_EQ(cut(CutText::Match::kEndsPiece),
            (Words{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(cut(CutText::Match::kBeginsPiece),
            (Words{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(cut(CutText::Match::kJoined),
            (Words{"the", "-", "final", "--", "countdown"}));
}

TEST(Splitter, WhatLiesBetweenMayBeTheMatch) {
  const auto cut = [](CutText::Match match) {
    return words({CutText{.pattern = "[a-z]+",
                          .match = match,
                          .says = CutText::Pattern::kBetween}},
                 "ab  cd e");
  };
  EXPECT_EQ(cut(CutText::Match::kRemoved), (Words{"ab", "cd", "e"}));
  EXPECT_EQ(cut(CutText::Match::kBeginsPiece), (Words{"ab", "  cd", " e"}));
}

TEST(Splitter, PrefixesAreAddedWhereTheyDoNotStand) {
  const PieceSteps every = {CutText{.pattern = ","}, AddPrefix{"_"}};
  EXPECT_EQ(words(every, "a,_b"), (Words{"_a", "_,", "_b"}));
  const PieceSteps first = {CutText{.pattern = ","},
                            AddPrefix{"_", AddPrefix::To::kBeginning}};
  EXPECT_EQ(words(first, "a,b"), (Words{"_a", ",", "b"}));
  EXPECT_EQ(words(first, "a,b", PieceAt::kLater), (Words{"a", ",", "b"}));
}

TEST(Splitter, ReplacedTextIsCutAsItReadsThen) {
  const PieceSteps metaspace = {
      ReplaceText{" ", "_"},
      AddPrefix{"_"},
      CutText{.pattern = "_", .match = CutText::Match::kBeginsPiece}};
  EXPECT_EQ(words(metaspace, "a b  c"), (Words{"_a", "_b", "_", "_c"}));
  EXPECT_EQ(words(metaspace, " a"), (Words{"_a"}));
}

TEST(Splitter, BrokenBytesAreKeptWherePiecesCoverTheText) {
  const CutText letters{.pattern = "[a-z]+"};
  EXPECT_EQ(words({AddPrefix{" "}, letters},
                  "ab\xff"
                  "c"),
            (Words{" ", "ab", "\xff", "c"}));
  EXPECT_EQ(words({letters, AddPrefix{"_"}},
                  "\xff"
                  "c"),
            (Words{"_\xef\xbf\xbd", "_c"}));
}

}  // namespace
}  // namespace dure::data
