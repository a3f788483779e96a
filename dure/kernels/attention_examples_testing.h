// Attention with every pattern and bias, for tests to compare with the
// reference.
#pragma once

#include <string>
#include <vector>

#include "dure/kernels/attention_testing.h"

namespace dure::kernels {

struct AttentionExample {
  std::string name;
  AttentionCase of;
};

// The memory that patterns view: two samples of up to 200 positions.
struct AttentionNumbers {
  // Documents of 37 positions, and one that comes back; the second sample is
  // one document.
  static std::vector<std::int32_t> make_documents() {
    std::vector<std::int32_t> ids(400, 7);
    for (std::size_t i = 0; i < 200; ++i) {
      ids[i] = i > 170 ? 1 : static_cast<std::int32_t>(i / 37);
    }
    return ids;
  }
  // Squares of a side: the diagonal, the first column and some others.
  static std::vector<std::uint8_t> make_squares(std::size_t columns) {
    std::vector<std::uint8_t> seen(columns * columns);
    for (std::size_t n = 0; n < seen.size(); ++n) {
      const std::size_t row = n / columns;
      const std::size_t column = n % columns;
      seen[n] = row == column || column == 0 || (row + 2 * column) % 5 == 0;
    }
    return seen;
  }

  std::vector<std::int32_t> documents = make_documents();
  std::vector<std::int32_t> key_lengths = {77, 0};
  std::vector<std::int32_t> offsets = {110, -20};
  std::vector<std::int32_t> prefixes = {90, 3};
  std::vector<std::uint8_t> squares_of_16 = make_squares(13);
  std::vector<std::uint8_t> squares_of_64 = make_squares(4);
};

inline std::vector<AttentionExample> attention_examples() {
  static const AttentionNumbers kNumbers;
  constexpr auto kFull = AttentionOrder::kFull;
  const auto each = [](const std::vector<std::int32_t>& numbers) {
    return ConstTensor(numbers.data(), {2});
  };
  const ConstTensor documents(kNumbers.documents.data(), {2, 200});
  const BlockLayout of_16 = {16, 13, kNumbers.squares_of_16};
  const BlockLayout of_64 = {64, 4, kNumbers.squares_of_64};
  const AttentionSizes self = square(2, 200, 2, 1, 16);
  AttentionSizes cross = self;
  cross.queries = 70;
  AttentionSizes last = self;
  last.queries = 90;
  AttentionSizes few = self;
  few.keys = 100;
  const Values slopes = {0.5F, 0.0625F};
  return {
      {"full", {self, {}, {.order = kFull}}},
      {"cross", {cross, {}, {.order = kFull}}},
      {"later queries", {last, {}, {.offset = {110}}}},
      {"offsets", {last, {}, {.offset = {110, each(kNumbers.offsets)}}}},
      {"queries before all keys", {few, {}, {.offset = {-70}}}},
      {"prefix", {self, {}, {.prefix = {90}}}},
      {"prefixes", {self, {}, {.prefix = {90, each(kNumbers.prefixes)}}}},
      {"window", {self, {}, {.window = 20}}},
      {"window of a block", {self, {}, {.window = 64}}},
      {"wide window", {last, {}, {.offset = {110}, .window = 100}}},
      {"window on both sides", {self, {}, {.order = kFull, .window = 30}}},
      {"window and first keys", {self, {}, {.prefix = {4}, .window = 30}}},
      {"small blocks", {self, {}, {.order = kFull, .layout = of_16}}},
      {"causal blocks", {self, {}, {.layout = of_64}}},
      {"small causal blocks", {self, {}, {.layout = of_16}}},
      {"documents", {self, {}, {.documents = documents}}},
      {"whole documents", {self, {}, {.order = kFull, .documents = documents}}},
      {"key lengths",
       {cross,
        {},
        {.order = kFull, .key_lengths = each(kNumbers.key_lengths)}}},
      {"alibi", {self, {}, {}, slopes}},
      {"alibi on both sides", {cross, {}, {.order = kFull}, slopes}},
      {"alibi in a window", {self, {}, {.window = 70}, slopes}},
      {"table", {self, {}, {}, {}, 32, 0}},
      {"table on both sides", {cross, {}, {.order = kFull}, {}, 101, 50}},
      {"all at once",
       {last,
        {},
        {.offset = {110}, .prefix = {9}, .window = 80, .documents = documents},
        slopes,
        64,
        3}},
  };
}

}  // namespace dure::kernels
