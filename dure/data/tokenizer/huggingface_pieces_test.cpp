#include "dure/data/tokenizer/huggingface_pieces.h"

#include <gtest/gtest.h>

#include "dure/base/files.h"
#include "dure/data/tokenizer/code_points.h"
#include "dure/data/tokenizer/splitter.h"

namespace dure::data {
namespace {

using Words = std::vector<std::string>;

Words words(const Splitter& splitter,
            std::string_view text,
            SplitScratch& scratch) {
  Words found;
  splitter.for_each(
      text, PieceAt::kBeginning, scratch, [&](std::string_view word) {
        found.emplace_back(word);
      });
  return found;
}

// The code points, as [first, count, ...], for which "a" and the character are
// cut into words that satisfy `holds`.
template <typename Holds>
Json points_where(const Json& pre_tokenizer, const Holds& holds) {
  const Splitter splitter(read_pre_tokenizer(pre_tokenizer).steps);
  SplitScratch scratch;
  Json ranges = Json::array();
  char32_t end = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    std::string text = "a";
    append_utf8(c, text);
    if ((c >= 0xd800 && c < 0xe000) || !holds(words(splitter, text, scratch))) {
      continue;
    }
    if (ranges.empty() || c != end) {
      ranges.push_back(static_cast<unsigned>(c));
      ranges.push_back(0);
    }
    ranges.back() = ranges.back().get<unsigned>() + 1;
    end = c + 1;
  }
  return ranges;
}

Json golden(const char* name) {
  return Json::parse(read_file("tests/golden/tokenizer/classes.json"))[name];
}

// Compares with Hugging Face: tools/golden/make_pipeline_golden.py.
TEST(PreTokenizers, DigitsAreHuggingFacesForEveryCharacter) {
  EXPECT_EQ(points_where({{"type", "Digits"}, {"individual_digits", true}},
                         [](const Words& w) { return w.size() == 2; }),
            golden("digit"));
}

TEST(PreTokenizers, PunctuationIsHuggingFacesForEveryCharacter) {
  EXPECT_EQ(points_where({{"type", "Punctuation"}},
                         [](const Words& w) { return w.size() == 2; }),
            golden("punctuation"));
}

TEST(PreTokenizers, WordsAreHuggingFacesForEveryCharacter) {
  EXPECT_EQ(points_where({{"type", "Whitespace"}},
                         [](const Words& w) { return w[0] != "a"; }),
            golden("word"));
}

TEST(PreTokenizers, WordCharactersOfAddedTokensAreTheSame) {
  Json ranges = golden("word");
  char32_t code = 0;
  for (std::size_t i = 0; i < ranges.size(); i += 2) {
    const auto first = ranges[i].get<char32_t>();
    const char32_t end = first + ranges[i + 1].get<char32_t>();
    for (; code < end; ++code) {
      ASSERT_EQ(is_word_character(code), code >= first)
          << std::hex << std::uint32_t{code};
    }
  }
}

}  // namespace
}  // namespace dure::data
