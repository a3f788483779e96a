#include "dure/kernels/attention_pattern.h"

#include <algorithm>

#include "dure/base/check.h"

namespace dure::kernels {
namespace {

void expect_numbers(const char* name,
                    const ConstTensor& numbers,
                    std::int64_t samples) {
  if (numbers) {
    numbers.expect(name, {samples}, DType::kI32);
  }
}

std::int64_t read(const ConstTensor& numbers, std::int64_t b) {
  return numbers.data<std::int32_t>()[b];
}

std::int64_t read(const char* name, const PerSample& number, std::int64_t b) {
  if (!number.each) {
    return number.value;
  }
  const std::int64_t value = read(number.each, b);
  DURE_CHECK(value <= number.value,
             "the {} of sample {} is {}, wanted at most {}",
             name,
             b,
             value,
             number.value);
  return value;
}

std::int64_t read_length(const AttentionPattern& pattern,
                         std::int64_t keys,
                         std::int64_t b) {
  if (!pattern.key_lengths) {
    return keys;
  }
  const std::int64_t length = read(pattern.key_lengths, b);
  DURE_CHECK(length >= 0 && length <= keys,
             "sample {} has {} keys, of which {} cannot count",
             b,
             keys,
             length);
  return length;
}

// The sum of x over first to first + count - 1, with x clamped to [low, high].
std::int64_t sum_clamped(std::int64_t first,
                         std::int64_t count,
                         const PositionRange& to) {
  const auto part = [&](std::int64_t some, std::int64_t most) {
    return std::clamp<std::int64_t>(some, 0, most);
  };
  const std::int64_t below = part(to.first - first, count);
  const std::int64_t above = part(first + count - to.last, count - below);
  const std::int64_t between = count - below - above;
  return below * to.first + between * (first + below) +
         between * (between - 1) / 2 + above * to.last;
}

}  // namespace

void check_pattern(const AttentionPattern& pattern,
                   std::int64_t samples,
                   const AttentionLengths& lengths) {
  expect_numbers("offset", pattern.offset.each, samples);
  expect_numbers("prefix", pattern.prefix.each, samples);
  expect_numbers("key_lengths", pattern.key_lengths, samples);
  DURE_CHECK(pattern.prefix.value >= 0,
             "a prefix is of 0 keys or more, not {}",
             pattern.prefix.value);
  DURE_CHECK(pattern.window >= 1 && pattern.window <= kNoWindow,
             "a window is of 1 key or more, not {}",
             pattern.window);
  const BlockLayout& layout = pattern.layout;
  DURE_CHECK(layout.side >= 0,
             "the squares of a layout have sides, not {}",
             layout.side);
  DURE_CHECK(layout.side == 0 || layout.columns * layout.side >= lengths.keys,
             "a layout of {} squares of {} does not cover {} keys",
             layout.columns,
             layout.side,
             lengths.keys);
  if (pattern.documents) {
    pattern.documents.expect("documents", {samples, lengths.keys}, DType::kI32);
  }
  SamplePattern(pattern, lengths);  // checks the positions
}

double pairs(const AttentionPattern& pattern, const AttentionLengths& lengths) {
  return static_cast<double>(
      SamplePattern(pattern, lengths)
          .pairs({.queries = lengths.queries, .keys = lengths.keys}));
}

double keys_seen(const AttentionPattern& pattern,
                 const AttentionLengths& lengths) {
  const PositionRange range =
      SamplePattern(pattern, lengths).keys_of(0, lengths.queries);
  return static_cast<double>(
      std::max<std::int64_t>(range.last - range.first, 0));
}

SamplePattern::SamplePattern(const AttentionPattern& pattern,
                             const AttentionLengths& lengths)
    : SamplePattern(SampleNumbers{.offset = pattern.offset.value,
                                  .prefix = pattern.prefix.value,
                                  .keys = lengths.keys,
                                  .window = pattern.window,
                                  .order = pattern.order,
                                  .layout = pattern.layout}) {
  check_positions(pattern, lengths);
}

SamplePattern::SamplePattern(const AttentionPattern& pattern,
                             const AttentionLengths& lengths,
                             std::int64_t b)
    : SamplePattern(pattern, lengths) {
  offset_ = read("offset", pattern.offset, b);
  prefix_ = read("prefix", pattern.prefix, b);
  keys_ = read_length(pattern, lengths.keys, b);
  if (pattern.documents) {
    documents_ = pattern.documents.data<std::int32_t>() + b * lengths.keys;
  }
  check_positions(pattern, lengths);
}

void SamplePattern::check_positions(const AttentionPattern& pattern,
                                    const AttentionLengths& lengths) const {
  const auto check_within = [&](std::int64_t end, const char* what) {
    DURE_CHECK(
        offset_ >= 0 && offset_ + lengths.queries <= end,
        "queries stand at positions {} to {}, wanted within the {} of the {}",
        offset_,
        offset_ + lengths.queries,
        end,
        what);
  };
  if (layout_.side > 0) {
    check_within(layout_.rows() * layout_.side, "layout");
  }
  if (pattern.documents) {
    check_within(lengths.keys, "documents");
  }
}

// Each query sees [0, prefix) and [first_near, last_near), cut to the block's
// keys.
std::int64_t SamplePattern::near_pairs(const PairBlock& block) const {
  const std::int64_t first = block.first_key;
  const std::int64_t last = std::min(first + block.keys, keys_);
  if (last <= first) {
    return 0;
  }
  const std::int64_t prefix = std::clamp(prefix_, first, last);
  const PositionRange beyond = {.first = prefix, .last = last};
  return block.queries * (prefix - first) +
         sum_clamped(last_near(block.first_query), block.queries, beyond) -
         sum_clamped(first_near(block.first_query), block.queries, beyond);
}

template <typename Body>
void SamplePattern::for_each_square(const PairBlock& block,
                                    const Body& body) const {
  const std::int64_t side = layout_.side;
  const std::int64_t last_query = block.first_query + block.queries;
  const std::int64_t last_key = block.first_key + block.keys;
  std::int64_t next_query = 0;
  for (std::int64_t i = block.first_query; i < last_query; i = next_query) {
    const std::int64_t row = position(i) / side;
    next_query = std::min(last_query, (row + 1) * side - offset_);
    std::int64_t next_key = 0;
    for (std::int64_t j = block.first_key; j < last_key; j = next_key) {
      const std::int64_t column = j / side;
      next_key = std::min(last_key, (column + 1) * side);
      body(PairBlock{.first_query = i,
                     .queries = next_query - i,
                     .first_key = j,
                     .keys = next_key - j},
           layout_.sees(row, column));
    }
  }
}

std::int64_t SamplePattern::pairs(const PairBlock& block) const {
  if (layout_.side == 0) {
    return near_pairs(block);
  }
  std::int64_t sum = 0;
  for_each_square(block, [&](const PairBlock& square, bool seen) {
    sum += seen ? near_pairs(square) : 0;
  });
  return sum;
}

Cover SamplePattern::cover(const PairBlock& block) const {
  const Cover of_all = cover_by_distance(block);
  if (documents_ == nullptr || of_all == Cover::kNone) {
    return of_all;
  }
  const Cover of_documents = cover_by_document(block);
  return of_documents == Cover::kAll ? of_all : of_documents;
}

// The commonest cases need no count. On the diagonal no query sees a key after
// its own position; if the pairs are that many, it sees all before it.
Cover SamplePattern::cover_by_distance(const PairBlock& block) const {
  const std::int64_t last_key = block.first_key + block.keys;
  const bool is_plain =
      layout_.side == 0 && window_ >= block.queries && last_key <= keys_;
  if (is_plain && last_near(block.first_query) >= last_key &&
      first_near(block.first_query + block.queries - 1) <= block.first_key) {
    return Cover::kAll;
  }
  const bool is_diagonal = ahead_ == 1 && prefix_ <= block.first_key &&
                           position(block.first_query) == block.first_key;
  if (is_plain && is_diagonal) {
    return Cover::kDiagonal;
  }
  const std::int64_t seen = pairs(block);
  if (seen == 0) {
    return Cover::kNone;
  }
  if (seen == block.queries * block.keys) {
    return Cover::kAll;
  }
  return is_diagonal && seen == sum_clamped(1, block.queries, {0, block.keys})
             ? Cover::kDiagonal
             : Cover::kSome;
}

// Compares the least and the greatest document on either side: if these ranges
// do not overlap, no pair is in one document.
Cover SamplePattern::cover_by_document(const PairBlock& block) const {
  const auto range = [&](std::int64_t first, std::int64_t count) {
    const auto [least, most] =
        std::minmax_element(documents_ + first, documents_ + first + count);
    return PositionRange{.first = *least, .last = *most};
  };
  const PositionRange queries =
      range(position(block.first_query), block.queries);
  const PositionRange keys = range(block.first_key, block.keys);
  if (queries.last < keys.first || keys.last < queries.first) {
    return Cover::kNone;
  }
  const bool is_one =
      std::min(queries.first, keys.first) == std::max(queries.last, keys.last);
  return is_one ? Cover::kAll : Cover::kSome;
}

void SamplePattern::mask(float* s,
                         std::int64_t step,
                         const PairBlock& block,
                         float value) const {
  for (std::int64_t n = 0; n < block.keys; ++n) {
    mask_key(s + n * step, block.first_key + n, block, value);
  }
  if (layout_.side == 0) {
    return;
  }
  for_each_square(block, [&](const PairBlock& square, bool seen) {
    for (std::int64_t n = 0; n < (seen ? 0 : square.keys); ++n) {
      std::fill_n(s + (square.first_key - block.first_key + n) * step +
                      square.first_query - block.first_query,
                  square.queries,
                  value);
    }
  });
}

// The queries near a key are neighbours.
void SamplePattern::mask_key(float* row,
                             std::int64_t key,
                             const PairBlock& block,
                             float value) const {
  if (key >= prefix_) {
    const auto cut = [&](std::int64_t query, std::int64_t least) {
      return std::clamp(query - block.first_query, least, block.queries);
    };
    const std::int64_t first = cut(key - ahead_ + 1 - offset_, 0);
    const std::int64_t last = cut(key + window_ - offset_, first);
    std::fill(row, row + first, value);
    std::fill(row + last, row + block.queries, value);
  }
  if (documents_ == nullptr) {
    return;
  }
  for (std::int64_t i = 0; i < block.queries; ++i) {
    if (!same_document(block.first_query + i, key)) {
      row[i] = value;
    }
  }
}

void check_samples(const AttentionPattern& pattern,
                   const AttentionLengths& lengths,
                   std::int64_t samples) {
  for (std::int64_t b = 0; b < samples; ++b) {
    SamplePattern(pattern, lengths, b);
  }
}

}  // namespace dure::kernels
