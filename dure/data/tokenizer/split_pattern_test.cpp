#include "dure/data/tokenizer/split_pattern.h"

#include <array>
#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/data/tokenizer/splitter.h"
#include "dure/data/tokenizer/test_text.h"

namespace dure::data {
namespace {

using Words = std::vector<std::string>;

Words words(std::string_view pattern, std::string_view text) {
  std::vector<SplitPattern> stages;
  stages.emplace_back(pattern);
  const Splitter splitter(std::move(stages));
  SplitScratch scratch;
  Words found;
  splitter.for_each(
      text, scratch, [&](std::string_view word) { found.emplace_back(word); });
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

// A pattern in a group is not known, so that it has no path of its own.
TEST(SplitPattern, TheShortPathForAsciiChangesNoWord) {
  for (const std::string_view pattern : {kGpt2Pattern, kLlama3Pattern}) {
    const std::string unknown = concat("(?:", pattern, ")");
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
                              "(x)",
                              "x*",
                              "(",
                              "[]a]",
                              "x\\",
                              R"(\p{Nonsense})",
                              "[^]"}) {
    EXPECT_THROW(SplitPattern{pattern}, Error) << pattern;
  }
}

std::string utf8(unsigned c) {
  const auto byte = [](unsigned b) { return static_cast<char>(b); };
  if (c < 0x80) {
    return {byte(c)};
  }
  if (c < 0x800) {
    return {byte(0xc0 | c >> 6), byte(0x80 | (c & 63))};
  }
  if (c < 0x10000) {
    return {byte(0xe0 | c >> 12),
            byte(0x80 | (c >> 6 & 63)),
            byte(0x80 | (c & 63))};
  }
  return {byte(0xf0 | c >> 18),
          byte(0x80 | (c >> 12 & 63)),
          byte(0x80 | (c >> 6 & 63)),
          byte(0x80 | (c & 63))};
}

// The text of all code points in [first, count, first, count, ...].
std::string text_of(const nlohmann::json& ranges) {
  std::string text;
  for (std::size_t i = 0; i < ranges.size(); i += 2) {
    for (unsigned j = 0; j < ranges[i + 1].get<unsigned>(); ++j) {
      text += utf8(ranges[i].get<unsigned>() + j);
    }
  }
  return text;
}

// The parts of `text` that the class matches, joined.
std::string matched(std::string_view klass, std::string_view text) {
  const SplitPattern pattern(klass);
  SplitScratch scratch;
  std::array<std::size_t, SplitPattern::kBatch + 1> ends{};
  std::string joined;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t count = pattern.next(text, at, ends, scratch);
    // Each word is one character that matches, or a run of those that don't.
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view word = text.substr(at, ends[i] - at);
      std::array<std::size_t, SplitPattern::kBatch + 1> own{};
      const std::string probe = concat(word, "\x01");
      pattern.next(probe, 0, own, scratch);
      joined += own[0] == word.size() && word != "\x01" ? word : "";
      at = ends[i];
    }
  }
  return joined;
}

// Of every code point that Unicode 14 assigns. PCRE2 and Oniguruma of other
// Unicode versions agree on these.
TEST(SplitPattern, ClassesAreHuggingFacesForEveryCharacter) {
  const auto classes =
      nlohmann::json::parse(read_file("tests/golden/tokenizer/classes.json"));
  const std::string all = text_of(classes["assigned"]);
  EXPECT_EQ(matched(R"(\p{L})", all), text_of(classes["letter"]));
  EXPECT_EQ(matched(R"(\p{N})", all), text_of(classes["number"]));
  EXPECT_EQ(matched(R"(\s)", all), text_of(classes["space"]));
  EXPECT_EQ(matched(R"([\s])", all), text_of(classes["space"]));
  EXPECT_EQ(matched(R"([^\S])", all), text_of(classes["space"]));
}

}  // namespace
}  // namespace dure::data
