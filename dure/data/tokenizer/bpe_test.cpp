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
    model.bytes[static_cast<std::size_t>(byte)] = byte;
  }
  for (const auto& [left, right] : pairs) {
    const auto id = static_cast<std::int32_t>(model.tokens.size());
    model.merges.push_back({left, right, id});
    model.tokens.push_back(model.tokens[static_cast<std::size_t>(left)] +
                           model.tokens[static_cast<std::size_t>(right)]);
  }
  return model;
}

// The definition: the lowest rank, the leftmost, again and again.
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
  EXPECT_EQ(Bpe(model, Bpe::WholeWords::kMerged).encode("abc", scratch),
            (Ids{'a', 256}));
}

TEST(Bpe, OfEqualRanksTheLeftmostGoesFirst) {
  const BpeModel model = model_with({{'a', 'a'}});
  Bpe::Scratch scratch;
  EXPECT_EQ(Bpe(model, Bpe::WholeWords::kMerged).encode("aaaaa", scratch),
            (Ids{256, 256, 'a'}));
}

TEST(Bpe, AWholeWordThatIsATokenNeedsNoMergesOnlyWhereAsked) {
  BpeModel model = model_with({{'b', 'c'}});
  model.tokens.emplace_back("abc");
  Bpe::Scratch scratch;
  EXPECT_EQ(Bpe(model, Bpe::WholeWords::kDirect).encode("abc", scratch),
            (Ids{257}));
  EXPECT_EQ(Bpe(model, Bpe::WholeWords::kMerged).encode("abc", scratch),
            (Ids{'a', 256}));
}

// Words on both sides of where the scan gives way to the heap.
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
  const Bpe bpe(model, Bpe::WholeWords::kMerged);
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
  // Quadratic work here, 10^13 steps, would outlast the test's time limit.
  const std::string word(1 << 22, 'a');
  EXPECT_EQ(Bpe(model, Bpe::WholeWords::kMerged).encode(word, scratch).size(),
            word.size() / 8);
}

}  // namespace
}  // namespace dure::data
