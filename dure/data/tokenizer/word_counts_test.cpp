#include "dure/data/tokenizer/word_counts.h"

#include <map>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/data/tokenizer/splitter.h"
#include "dure/data/tokenizer/test_text.h"

namespace dure::data {
namespace {

WordCounts count(const std::string& text,
                 int workers,
                 std::string_view pattern = kGpt2Pattern) {
  return count_words(one_text(text),
                     {.patterns = {std::string(pattern)}, .workers = workers});
}

TEST(WordCounts, WordsAreCountedAndOrdered) {
  EXPECT_EQ(count("the cat the cat the", 1),
            (WordCounts{{" cat", 2}, {" the", 2}, {"the", 1}}));
}

// Compares two megabytes of one document, which is cut, with the same in one
// piece.
TEST(WordCounts, NeitherCutsNorWorkersChangeThem) {
  std::string text;
  for (std::uint64_t seed = 0; text.size() < 2'000'000; ++seed) {
    text += random_text(seed, 200);
  }
  for (const std::string_view pattern : {kGpt2Pattern, kLlama3Pattern}) {
    SplitScratch scratch;
    std::map<std::string, std::int64_t> expected;
    Splitter({CutText{.pattern = std::string(pattern)}})
        .for_each(text, PieceAt::kLater, scratch, [&](std::string_view word) {
          ++expected[std::string(word)];
        });
    const WordCounts all(expected.begin(), expected.end());
    EXPECT_EQ(count(text, 1, pattern), all);
    EXPECT_EQ(count(text, 4, pattern), all);
  }
}

TEST(WordCounts, AnErrorOfTheSourceReachesTheCaller) {
  const NextText broken = [](std::string_view&) -> bool {
    throw Error("the disk is gone");
  };
  EXPECT_THROW(
      count_words(broken,
                  {.patterns = {std::string(kGpt2Pattern)}, .workers = 3}),
      Error);
}

TEST(WordCounts, TheProgressEndsAtTheBytesOfTheText) {
  std::uint64_t bytes = 0;
  count_words(one_text("some text"),
              {.patterns = {std::string(kGpt2Pattern)},
               .progress = [&](std::uint64_t done) { bytes = done; }});
  EXPECT_EQ(bytes, 9U);
}

}  // namespace
}  // namespace dure::data
