#include "dure/data/tokenizer/bpe.h"

#include <gtest/gtest.h>

#include "dure/base/random.h"

namespace dure::data {
namespace {

using Ids = std::vector<std::int32_t>;

// Bytes are their own ids; each merge makes the next id.
BpeModel model_with(const std::vector<std::array<std::int32_t, 2>>& pairs) {
  BpeModel model;
  for (std::int32_t byte = 0; byte < 256; ++byte) {
    model.tokens.emplace_back(1, static_cast<char>(byte));
    model.bytes[byte] = byte;
  }
  for (const auto& [left, right] : pairs) {
    const auto id = static_cast<std::int32_t>(model.tokens.size());
    model.merges.push_back({left, right, id});
    model.tokens.push_back(model.tokens[left] + model.tokens[right]);
  }
  return model;
}

// The definition: merge the lowest rank, the leftmost first, until none is
// left.
Ids slow(const BpeModel& model, std::string_view word) {
  Ids ids;
  for (const char c : word) {
    ids.push_back(model.bytes[static_cast<unsigned char>(c)]);
  }
  for (std::size_t rank = 0; rank < model.merges.size();) {
    const BpeMerge& merge = model.merges[rank];
    bool found = false;
    for (std::size_t i = 0; i + 1 < ids.size() && !found; ++i) {
      if (ids[i] == merge.left && ids[i + 1] == merge.right) {
        ids[i] = merge.result;
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        found = true;
      }
    }
    rank = found ? 0 : rank + 1;
  }
  return ids;
}

TEST(Bpe, TheLowestRankGoesFirst) {
  const BpeModel model = model_with({{'b', 'c'}, {'a', 'b'}});
  Bpe::Scratch scratch;
  EXPECT_EQ(Bpe(model).encode("abc", scratch), (Ids{'a', 256}));
}

TEST(Bpe, OfEqualRanksTheLeftmostGoesFirst) {
  const BpeModel model = model_with({{'a', 'a'}});
  Bpe::Scratch scratch;
  EXPECT_EQ(Bpe(model).encode("aaaaa", scratch), (Ids{256, 256, 'a'}));
}

TEST(Bpe, AWholeWordThatIsATokenNeedsNoMergesOnlyWhereAsked) {
  BpeModel model = model_with({{'b', 'c'}});
  model.tokens.emplace_back("abc");
  Bpe::Scratch scratch;
  EXPECT_EQ(Bpe(model).encode("abc", scratch), (Ids{'a', 256}));
  model.whole_words = BpeModel::WholeWords::kDirect;
  EXPECT_EQ(Bpe(model).encode("abc", scratch), (Ids{257}));
}

// The words are shorter and longer than the limit between scan and heap.
TEST(Bpe, ScanAndHeapDoWhatTheDefinitionSays) {
  const BpeModel model = model_with({{'a', 'b'},
                                     {'b', 'a'},
                                     {256, 256},
                                     {'a', 'a'},
                                     {257, 'a'},
                                     {258, 256},
                                     {'b', 'b'},
                                     {259, 262},
                                     {261, 258}});
  const Bpe bpe(model);
  const RandomStream random(7, "words");
  Bpe::Scratch scratch;
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    std::string word;
    for (std::uint64_t i = 0; i < 1 + trial; ++i) {
      word += random.bits(i, trial) % 3 == 0 ? 'b' : 'a';
    }
    ASSERT_EQ(bpe.encode(word, scratch), slow(model, word)) << word;
  }
}

TEST(Bpe, AVeryLongWordTakesNoQuadraticTime) {
  const BpeModel model = model_with({{'a', 'a'}, {256, 256}, {257, 257}});
  Bpe::Scratch scratch;
  // Quadratic work, 10^13 steps here, would outlast the test's time limit.
  const std::string word(1 << 22, 'a');
  EXPECT_EQ(Bpe(model).encode(word, scratch).size(), word.size() / 8);
}

// A model of the characters "a", U+00E9 and U+D55C, "<un>", and "<0xC3>" to
// "<0xC5>".
BpeModel character_model() {
  BpeModel model;
  model.tokens = {"<un>", "a", "\xc3\xa9", "\xed\x95\x9c", "a\xc3\xa9"};
  model.merges = {{1, 2, 4}};
  model.characters.emplace();
  model.characters->bytes.fill(-1);
  return model;
}

TEST(Bpe, WordsOfCharactersBeginWithTheirTokens) {
  const Bpe bpe(character_model());
  Bpe::Scratch scratch;
  EXPECT_EQ(bpe.encode("a\xc3\xa9\xed\x95\x9c", scratch), (Ids{4, 3}));
  EXPECT_EQ(bpe.encode("bab", scratch), (Ids{1})) << "unknown ones are nothing";
}

TEST(Bpe, UnknownCharactersAreOneTokenEachOrOneForARun) {
  BpeModel model = character_model();
  model.characters->unknown = 0;
  Bpe::Scratch scratch;
  EXPECT_EQ(Bpe(model).encode("xyaz", scratch), (Ids{0, 0, 1, 0}));
  model.characters->unknown_run = CharacterSymbols::Unknown::kFused;
  EXPECT_EQ(Bpe(model).encode("xyaz", scratch), (Ids{0, 1, 0}));
}

TEST(Bpe, ACharacterIsItsBytesWhereAllHaveATokenAndElseUnknown) {
  BpeModel model = character_model();
  model.tokens.insert(model.tokens.end(), {"<0xC3>", "<0xA8>"});
  model.characters->bytes[0xc3] = 5;
  model.characters->bytes[0xa8] = 6;
  model.characters->unknown = 0;
  Bpe::Scratch scratch;
  EXPECT_EQ(Bpe(model).encode("a\xc3\xa8", scratch), (Ids{1, 5, 6}));
  EXPECT_EQ(Bpe(model).encode("a\xc3\xaa", scratch), (Ids{1, 0}));
  // An unknown character waits for the next token, as in Hugging Face's.
  EXPECT_EQ(Bpe(model).encode("\xc3\xaa\xc3\xa8"
                              "a",
                              scratch),
            (Ids{5, 6, 0, 1}));
}

TEST(Bpe, PrefixesAndSuffixesArePartsOfTokens) {
  BpeModel model;
  model.tokens = {"a", "##b", "##c</w>", "ab", "a</w>", "abc</w>"};
  model.merges = {{0, 1, 3}, {3, 2, 5}};
  model.characters.emplace();
  model.characters->bytes.fill(-1);
  model.characters->prefix = "##";
  model.characters->suffix = "</w>";
  const Bpe bpe(model);
  Bpe::Scratch scratch;
  EXPECT_EQ(bpe.encode("abc", scratch), (Ids{5}));
  EXPECT_EQ(bpe.encode("a", scratch), (Ids{4}));
}

}  // namespace
}  // namespace dure::data
