#include "dure/kernels/attention_pattern.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::kernels {
namespace {

// The squares have a side of 3 over 12 positions: the diagonal, the first
// column, and one after the diagonal.
const std::vector<std::uint8_t> kSquares = {
    1, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1};
const BlockLayout kLayout = {.side = 3, .columns = 4, .seen = kSquares};
const std::vector<std::int32_t> kDocuments = {
    0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 5, 5, 5, 5, 4, 4, 4, 0, 0, 0, 0, 0};
const std::vector<std::int32_t> kLengths = {9, 0};
const std::vector<std::int32_t> kOffsets = {2, -3};
const std::vector<std::int32_t> kPrefixes = {4, 0};

ConstTensor tensor_of(const std::vector<std::int32_t>& values) {
  return {values.data(), {static_cast<std::int64_t>(values.size())}};
}

struct Example {
  const char* name;
  AttentionPattern pattern;
  AttentionLengths lengths;
};

std::vector<Example> examples() {
  constexpr auto kFull = AttentionOrder::kFull;
  const ConstTensor documents(kDocuments.data(), {2, 12});
  return {
      {"causal", {}, {12, 12}},
      {"full", {.order = kFull}, {5, 12}},
      {"prefix", {.prefix = {3}}, {12, 12}},
      {"prefixes", {.prefix = {4, tensor_of(kPrefixes)}}, {12, 12}},
      {"window", {.window = 4}, {12, 12}},
      {"window on both sides", {.order = kFull, .window = 3}, {12, 9}},
      {"window and first keys", {.prefix = {2}, .window = 3}, {12, 12}},
      {"one's own", {.order = kFull, .window = 1}, {12, 12}},
      {"blocks", {.order = kFull, .layout = kLayout}, {12, 12}},
      {"causal blocks", {.layout = kLayout}, {12, 12}},
      {"later blocks", {.offset = {4}, .layout = kLayout}, {8, 12}},
      {"documents", {.documents = documents}, {12, 12}},
      {"later documents", {.offset = {5}, .documents = documents}, {7, 12}},
      {"offset", {.offset = {4}}, {8, 12}},
      {"before all keys", {.offset = {-5}}, {8, 12}},
      {"offsets", {.offset = {2, tensor_of(kOffsets)}, .window = 5}, {9, 12}},
      {"key lengths", {.key_lengths = tensor_of(kLengths)}, {12, 12}},
      {"few keys", {}, {12, 5}},
  };
}

// Computes the header's formula.
bool shown(const Example& of, std::int64_t b, std::int64_t i, std::int64_t j) {
  const AttentionPattern& pattern = of.pattern;
  const auto number = [&](const PerSample& some) -> std::int64_t {
    return some.each ? some.each.data<std::int32_t>()[b] : some.value;
  };
  const auto* documents =
      pattern.documents
          ? pattern.documents.data<std::int32_t>() + b * of.lengths.keys
          : nullptr;
  const std::int64_t side = pattern.layout.side;
  const std::int64_t p = number(pattern.offset) + i;
  if (pattern.key_lengths && j >= pattern.key_lengths.data<std::int32_t>()[b]) {
    return false;
  }
  const bool is_near = std::abs(p - j) < pattern.window &&
                       (pattern.order == AttentionOrder::kFull || j <= p);
  return (j < number(pattern.prefix) || is_near) &&
         (side == 0 || pattern.layout.sees(p / side, j / side)) &&
         (documents == nullptr || documents[p] == documents[j]);
}

template <typename Body>
void for_each_sample(const Body& body) {
  for (const Example& of : examples()) {
    check_pattern(of.pattern, 2, of.lengths);
    for (const std::int64_t b : {0, 1}) {
      SCOPED_TRACE(testing::Message() << of.name << ", sample " << b);
      body(of, b, SamplePattern(of.pattern, of.lengths, b));
    }
  }
}

// Calls body(block) for all blocks of some sizes, on the grid and off it.
template <typename Body>
void for_each_block(const AttentionLengths& lengths, const Body& body) {
  for (const std::int64_t size : {1, 2, 3, 4, 12}) {
    for (std::int64_t i = 0; i < lengths.queries; i += 2) {
      for (std::int64_t j = 0; j < lengths.keys; ++j) {
        body(PairBlock{.first_query = i,
                       .queries = std::min(size, lengths.queries - i),
                       .first_key = j,
                       .keys = std::min(size, lengths.keys - j)});
      }
    }
  }
}

TEST(SamplePattern, SeesWhatTheFormulaShows) {
  for_each_sample([](const Example& of, std::int64_t b, const auto& pattern) {
    for (std::int64_t i = 0; i < of.lengths.queries; ++i) {
      for (std::int64_t j = 0; j < of.lengths.keys; ++j) {
        EXPECT_EQ(pattern.sees(i, j), shown(of, b, i, j)) << i << ", " << j;
      }
    }
  });
}

TEST(SamplePattern, CoversBlocksAsTheirPairsDo) {
  for_each_sample([](const Example& of, std::int64_t b, const auto& pattern) {
    for_each_block(of.lengths, [&](const PairBlock& block) {
      std::int64_t seen = 0;
      bool is_diagonal = true;
      for (std::int64_t i = 0; i < block.queries; ++i) {
        for (std::int64_t j = 0; j < block.keys; ++j) {
          const bool sees =
              shown(of, b, block.first_query + i, block.first_key + j);
          seen += sees ? 1 : 0;
          is_diagonal = is_diagonal && sees == (j <= i);
        }
      }
      const Cover cover = pattern.cover(block);
      if (of.pattern.documents) {
        // Ranges of documents may overlap without a common document.
        EXPECT_TRUE(cover != Cover::kNone || seen == 0);
      } else {
        EXPECT_EQ(cover == Cover::kNone, seen == 0);
        EXPECT_EQ(pattern.pairs(block), seen);
      }
      EXPECT_EQ(cover == Cover::kAll, seen == block.queries * block.keys);
      EXPECT_TRUE(cover != Cover::kDiagonal || is_diagonal);
    });
  });
}

TEST(SamplePattern, IsDiagonalWhereCausal) {
  const AttentionPattern causal;
  const SamplePattern pattern(causal, {12, 12});
  EXPECT_EQ(pattern.cover({4, 4, 4, 4}), Cover::kDiagonal);
  EXPECT_EQ(pattern.cover({8, 4, 4, 4}), Cover::kAll);
  EXPECT_EQ(pattern.cover({4, 4, 8, 4}), Cover::kNone);
  EXPECT_EQ(pattern.cover({5, 4, 4, 4}), Cover::kSome);
}

TEST(SamplePattern, FindsTheKeysOfQueries) {
  for_each_sample([](const Example& of, std::int64_t b, const auto& pattern) {
    for (std::int64_t i = 0; i + 2 < of.lengths.queries; ++i) {
      const PositionRange keys = pattern.keys_of(i, 3);
      for (std::int64_t j = 0; j < of.lengths.keys; ++j) {
        const bool some = shown(of, b, i, j) || shown(of, b, i + 1, j) ||
                          shown(of, b, i + 2, j);
        EXPECT_TRUE(!some || (j >= keys.first && j < keys.last)) << i << j;
      }
    }
  });
}

TEST(SamplePattern, MasksWhatIsHidden) {
  constexpr std::int64_t kStep = 12;
  for_each_sample([](const Example& of, std::int64_t b, const auto& pattern) {
    for_each_block(of.lengths, [&](const PairBlock& block) {
      if (block.first_key + block.keys > pattern.keys()) {
        return;
      }
      std::vector<float> s(static_cast<std::size_t>(kStep * block.keys), 1);
      pattern.mask(s.data(), kStep, block, 0);
      for (std::int64_t i = 0; i < block.queries; ++i) {
        for (std::int64_t j = 0; j < block.keys; ++j) {
          EXPECT_EQ(s[static_cast<std::size_t>(j * kStep + i)] != 0,
                    shown(of, b, block.first_query + i, block.first_key + j));
        }
      }
    });
  });
}

TEST(Pairs, CountWhatIsInNoTensor) {
  constexpr auto kFull = AttentionOrder::kFull;
  EXPECT_EQ(pairs({}, {1024, 1024}), 1024 * 1025 / 2);
  EXPECT_EQ(pairs({.order = kFull}, {100, 300}), 100 * 300);
  EXPECT_EQ(pairs({.prefix = {10}}, {100, 100}), 100 * 101 / 2 + 9 * 10 / 2);
  // The first W - 1 tokens have fewer keys before them.
  EXPECT_EQ(pairs({.window = 16}, {100, 100}), 100 * 16 - 16 * 15 / 2);
  EXPECT_EQ(pairs({.offset = {200}}, {1, 201}), 201);
  EXPECT_EQ(pairs({.order = kFull, .layout = kLayout}, {12, 12}), 9 * 8);
  // There are three squares below the diagonal and four on it.
  EXPECT_EQ(pairs({.layout = kLayout}, {12, 12}), 9 * 3 + 6 * 4);
  // Tensor memory is not read, and counts as if it hid nothing.
  EXPECT_EQ(pairs({.offset = {7, tensor_of(kOffsets)},
                   .key_lengths = tensor_of(kLengths)},
                  {1, 8}),
            8);
}

TEST(Pairs, OfLongSequencesAreExact) {
  constexpr std::int64_t kLong = std::int64_t{1} << 24;
  EXPECT_EQ(pairs({.window = 4096}, {kLong, kLong}),
            static_cast<double>(kLong * 4096 - std::int64_t{4096} * 4095 / 2));
}

TEST(KeysSeen, LeaveOutThoseBeforeTheWindow) {
  EXPECT_EQ(keys_seen({.offset = {500}, .window = 64}, {1, 512}), 64);
  EXPECT_EQ(keys_seen({.offset = {500}}, {1, 512}), 501);
  EXPECT_EQ(keys_seen({.offset = {-9}}, {4, 8}), 0);
}

TEST(AttentionPattern, IsRefusedWithTheReason) {
  const auto refused = [](const AttentionPattern& pattern,
                          const std::string& reason) {
    try {
      check_pattern(pattern, 2, {12, 12});
      ADD_FAILURE() << "wanted: " << reason;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos)
          << error.what();
    }
  };
  const ConstTensor three(kDocuments.data(), {3});
  const ConstTensor documents(kDocuments.data(), {2, 12});
  refused({.window = 0}, "a window is of 1 key or more, not 0");
  refused({.prefix = {-1}}, "a prefix is of 0 keys or more, not -1");
  refused({.offset = {0, three}}, "offset");
  refused({.prefix = {0, three}}, "prefix");
  refused({.key_lengths = three}, "key_lengths");
  refused({.documents = three}, "documents");
  refused({.layout = {.side = 2, .columns = 4, .seen = kSquares}},
          "a layout of 4 squares of 2 does not cover 12 keys");
  refused({.offset = {1}, .layout = kLayout},
          "wanted within the 12 of the layout");
  refused({.offset = {1}, .documents = documents},
          "wanted within the 12 of the documents");
}

TEST(SamplePattern, RefusesNumbersOutOfRange) {
  const AttentionLengths lengths = {12, 12};
  const std::vector<std::int32_t> lengths_of = {13, -1};
  for (const std::int64_t b : {0, 1}) {
    EXPECT_THROW(
        SamplePattern({.key_lengths = tensor_of(lengths_of)}, lengths, b),
        Error);
  }
  const AttentionPattern beyond = {.offset = {1, tensor_of(kOffsets)}};
  EXPECT_THROW(SamplePattern(beyond, lengths, 0), Error);
  EXPECT_NO_THROW(SamplePattern(beyond, lengths, 1));
}

}  // namespace
}  // namespace dure::kernels
