#include "dure/data/tokenizer/normalizer.h"

#include <gtest/gtest.h>

namespace dure::data {
namespace {

std::string normalized(const NormalizerSteps& steps, std::string_view text) {
  SplitScratch scratch;
  return Normalizer(steps)(text, scratch);
}

bool keeps_beginning(const NormalizerSteps& steps, std::string_view text) {
  SplitScratch scratch;
  return Normalizer(steps).keeps_beginning(text, scratch);
}

TEST(Normalizer, StepsFollowOneAnother) {
  EXPECT_EQ(normalized({Prepend{"_"}, ReplaceText{" ", "_"}}, "a b"), "_a_b");
  EXPECT_EQ(normalized({ReplaceText{" ", "_"}, Prepend{" "}}, "a b"), " a_b");
  EXPECT_EQ(normalized({}, "a b"), "a b");
}

TEST(Normalizer, NothingIsPrependedToNothing) {
  EXPECT_EQ(normalized({Prepend{"_"}}, ""), "");
  EXPECT_EQ(normalized({StripSpaces{}, Prepend{"_"}}, " \n"), "");
}

TEST(Normalizer, MatchesAreReplacedOneByOne) {
  EXPECT_EQ(normalized({ReplaceMatches{" {2,}", " "}}, "a   b  c d  "),
            "a b c d ");
  EXPECT_EQ(normalized({ReplaceMatches{"[ab]", "<>"}}, "xabay"), "x<><><>y");
  EXPECT_EQ(normalized({ReplaceText{"aa", "b"}}, "aaaaa"), "bba");
}

TEST(Normalizer, EachLetterIsLoweredByItself) {
  EXPECT_EQ(lower_case("\xce\x91\xce\xa3 I\xc4\xb0"),
            "\xce\xb1\xcf\x83 ii\xcc\x87");
  EXPECT_EQ(lower_case("\xf0\x96\xba\xa0"), "\xf0\x96\xba\xbb");  // Unicode 17
}

TEST(Normalizer, AccentsAreMarks) {
  EXPECT_EQ(without_accents("e\xcc\x81\xc3\xa9"), "e\xc3\xa9");
}

TEST(Normalizer, SpacesAreTakenAwayAtTheirEnds) {
  const std::string text = "\xe3\x80\x80 a b\n";
  EXPECT_EQ(without_spaces(text, StripSpaces::Ends::kBoth), "a b");
  EXPECT_EQ(without_spaces(text, StripSpaces::Ends::kLeft), "a b\n");
  EXPECT_EQ(without_spaces(text, StripSpaces::Ends::kRight),
            "\xe3\x80\x80 a b");
}

TEST(Normalizer, KnowsWhetherItTookTheBeginningAway) {
  EXPECT_TRUE(keeps_beginning({StripSpaces{}}, "a "));
  EXPECT_FALSE(keeps_beginning({StripSpaces{}}, " a"));
  EXPECT_FALSE(keeps_beginning({ReplaceText{"a", ""}}, "ab"));
  EXPECT_TRUE(keeps_beginning({ReplaceText{"a", "c"}}, "ab"));
  EXPECT_FALSE(keeps_beginning({ReplaceMatches{"[ab]", ""}}, "ab"));
  EXPECT_FALSE(keeps_beginning({StripAccents{}},
                               "\xcc\x81"
                               "a"));
  EXPECT_FALSE(keeps_beginning({ToLowerCase{}, ReplaceText{"a", ""}}, "Ab"));
}

}  // namespace
}  // namespace dure::data
