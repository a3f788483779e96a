#include "dure/data/tokenizer/split_pattern.h"

#include <array>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/data/tokenizer/code_points.h"
#include "dure/data/tokenizer/splitter.h"
#include "dure/data/tokenizer/test_text.h"

namespace dure::data {
namespace {

using Words = std::vector<std::string>;

Words words(std::string_view pattern, std::string_view text) {
  const Splitter splitter({CutText{.pattern = std::string(pattern)}});
  SplitScratch scratch;
  Words found;
  splitter.for_each(text, PieceAt::kLater, scratch, [&](std::string_view word) {
    found.emplace_back(word);
  });
  return found;
}

TEST(SplitPattern, Gpt2sWords) {
  EXPECT_EQ(words(kGpt2Pattern, "I'd pay $12345  for\n\n it's\n"),
            (Words{"I",
                   "'d",
                   " pay",
                   " $",
                   "12345",
                   " ",
                   " for",
                   "\n\n",
                   " it",
                   "'s",
                   "\n"}));
}

TEST(SplitPattern, Llama3sWords) {
  EXPECT_EQ(words(kLlama3Pattern, "I'D pay $12345.\n\n  x"),
            (Words{"I", "'D", " pay", " $", "123", "45", ".\n\n", " ", " x"}));
}

TEST(SplitPattern, WhatNoMatchCoversIsAWordToo) {
  EXPECT_EQ(words("[0-9]+", "ab12cd3"), (Words{"ab", "12", "cd", "3"}));
  EXPECT_EQ(words("[0-9]+", "ab"), Words{"ab"});
  EXPECT_EQ(words(literal_pattern("a.b"), "a.ba.bxa.b"),
            (Words{"a.b", "a.b", "x", "a.b"}));
}

TEST(SplitPattern, BrokenCharactersAreMarksAndKeepTheirBytes) {
  EXPECT_EQ(words(kGpt2Pattern, "ab\xff\xe2\x82 cd \x80"),
            (Words{"ab", "\xff\xe2\x82", " cd", " \x80"}));
}

// A pattern in a group is not recognized, so it has no short path.
TEST(SplitPattern, TheShortPathForAsciiChangesNoWord) {
  for (const std::string_view pattern :
       {kGpt2Pattern, kLlama3Pattern, kQwen2Pattern}) {
    const std::string unknown = fmt::format("(?:{})", pattern);
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      const std::string text = random_text(seed, 60);
      ASSERT_EQ(words(pattern, text), words(unknown, text)) << text;
    }
  }
}

TEST(SplitPattern, MegabytesOfOneKindAreOneWord) {
  for (const std::string_view pattern : {kGpt2Pattern, kLlama3Pattern}) {
    for (const char c : {'a', ' ', '=', '\n'}) {
      const std::string text(5'000'000, c);
      EXPECT_EQ(words(pattern, text), Words{text}) << int{c};
    }
  }
}

TEST(SplitPattern, WhatOtherEnginesReadDifferentlyIsRefused) {
  for (const char* pattern : {R"(\bx)",
                              R"(\w+)",
                              "^x",
                              "x$",
                              "x{1,3}+",
                              "[a[b]]",
                              "[a&&b]",
                              ".",
                              "(?<n>x)",
                              "a(?i)b|c",
                              "x{,3}",
                              R"(\p{IDC})",
                              R"(\uD)",
                              R"([\P{Han}])",
                              "x*",
                              "(",
                              "[]a]",
                              "x\\",
                              R"(\p{Nonsense})",
                              "[^]"}) {
    EXPECT_THROW(SplitPattern{pattern}, Error) << pattern;
  }
}

TEST(SplitPattern, GroupsAndNamesAreReadAsOnigurumaReadsThem) {
  EXPECT_EQ(words("(ab)+", "xababy"), (Words{"x", "abab", "y"}));
  EXPECT_EQ(words(R"(\p{Uppercase_Letter}\p{^L})", "aB1"), (Words{"a", "B1"}));
  EXPECT_EQ(words(R"([\u4e00-\u9fff]+)", "a\xe7\x94\xb0."),
            (Words{"a", "\xe7\x94\xb0", "."}));
  // \p{Han} means the script, not its extensions: an ideographic full stop is
  // not in it.
  EXPECT_EQ(words(R"(\p{Han}+)", "\xe7\x94\xb0\xe3\x80\x82"),
            (Words{"\xe7\x94\xb0", "\xe3\x80\x82"}));
}

// The characters are a letter of Unicode 16 and an emoji of Unicode 15, which
// PCRE2 10.42 lacks.
TEST(SplitPattern, CharactersOfLaterUnicodesAreWhatTheyAre) {
  EXPECT_EQ(words(kGpt2Pattern, "a\xea\x9f\x8b z\xf0\x9f\xab\xa8!"),
            (Words{"a\xea\x9f\x8b", " z", "\xf0\x9f\xab\xa8!"}));
}

// The texts of all code points of [first, count, first, count, ...].
std::vector<std::string> texts_of(const nlohmann::json& ranges) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < ranges.size(); i += 2) {
    for (unsigned j = 0; j < ranges[i + 1].get<unsigned>(); ++j) {
      append_utf8(ranges[i].get<unsigned>() + j, texts.emplace_back());
    }
  }
  return texts;
}

std::vector<std::string> every_character() {
  return texts_of({0, 0xd800, 0xe000, 0x110000 - 0xe000});
}

// The characters that the class matches.
Words matched(const std::string& klass, const Words& characters) {
  const SplitPattern pattern(klass);
  SplitScratch scratch;
  Words found;
  for (const std::string& c : characters) {
    SplitPattern::Ends ends{};
    if (pattern.next(SplitPattern::Subject(c), 0, ends, scratch).between == 0) {
      found.push_back(c);
    }
  }
  return found;
}

// The code points as [first, count, first, count, ...].
nlohmann::json ranges_of(const Words& characters) {
  nlohmann::json ranges = nlohmann::json::array();
  unsigned end = 0;
  for (const std::string& c : characters) {
    const unsigned code = character_at(c, 0).code;
    if (ranges.empty() || code != end) {
      ranges.push_back(code);
      ranges.push_back(0);
    }
    ranges.back() = ranges.back().get<unsigned>() + 1;
    end = code + 1;
  }
  return ranges;
}

// Tests every code point, in a class, without one, and negated.
TEST(SplitPattern, PropertiesAreHuggingFacesForEveryCharacter) {
  const auto classes =
      nlohmann::json::parse(read_file("tests/golden/tokenizer/classes.json"));
  const Words all = every_character();
  for (const auto& [name, ranges] : classes["properties"].items()) {
    const std::string klass = "\\" + name;
    EXPECT_EQ(ranges_of(matched(klass, all)), ranges) << klass;
    EXPECT_EQ(ranges_of(matched("[" + klass + "]", all)), ranges) << klass;
    const std::size_t none = matched("[^" + klass + "]", all).size();
    EXPECT_EQ(none + texts_of(ranges).size(), all.size()) << klass;
  }
}

TEST(SplitPattern, WhatAPropertyExcludesIsAllElse) {
  const Words all = every_character();
  for (const std::string name : {"L", "Mn", "N", "Cn"}) {
    const std::size_t in = matched("\\p{" + name + "}", all).size();
    for (const char* other : {"\\P{", "\\p{^"}) {
      const std::string klass = other + name + "}";
      EXPECT_EQ(in + matched(klass, all).size(), all.size()) << klass;
      EXPECT_EQ(in + matched("[" + klass + "]", all).size(), all.size());
    }
  }
}

}  // namespace
}  // namespace dure::data
