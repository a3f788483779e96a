// Which keys the queries of attention see.
//
// Query i of sample b is at position p = offset + i, key j at j. It sees j
// where all of these hold:
//
//   j < key_lengths[b]
//   j < prefix, or else |p - j| < window and, where causal, j <= p
//   layout.seen[p / side, j / side]
//   documents[b, p] = documents[b, j]
//
// So the patterns of the field are
//
//   full        {.order = kFull}
//   causal      {}
//   prefix      {.prefix = {n}}: a prefix language model [1]
//   window      {.window = W}: a token and the W - 1 before it [2]; with
//               kFull, W - 1 on either side
//   blocks      {.layout = ...}: block-sparse [3], of either order
//   documents   {.documents = ids}: causal within a document
//
// and they combine.
//
// [1] Raffel et al. 2020, JMLR 21, section 3.2.1.
// [2] Beltagy et al. 2020, arXiv:2004.05150, section 3.1.
// [3] Child et al. 2019, arXiv:1904.10509.
//
// Functions that kernels of a GPU call are constexpr.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

#include "dure/tensor/tensor.h"

namespace dure::kernels {

enum class AttentionOrder : std::uint8_t { kCausal, kFull };

// A number that all samples have, or one for each sample.
struct PerSample {
  std::int64_t value = 0;  // with `each`, their most: cost counts it
  ConstTensor each = {};   // (B) i32, optional

  static void visit(auto& op, auto&& tensors) { tensors(op.each); }
};

// Squares of positions, in host memory that a launch reads.
struct BlockLayout {
  std::int64_t side = 0;                    // 0: there is no layout
  std::int64_t columns = 0;                 // squares to a row of `seen`
  std::span<const std::uint8_t> seen = {};  // row by row, 0 where hidden

  std::int64_t rows() const {
    return columns > 0 ? static_cast<std::int64_t>(seen.size()) / columns : 0;
  }
  constexpr bool sees(std::int64_t row, std::int64_t column) const {
    return seen[static_cast<std::size_t>(row * columns + column)] != 0;
  }
};

inline constexpr std::int64_t kNoWindow =
    std::numeric_limits<std::int64_t>::max() / 4;

struct AttentionPattern {
  AttentionOrder order = AttentionOrder::kCausal;
  PerSample offset = {};  // may be negative
  PerSample prefix = {};
  std::int64_t window = kNoWindow;
  BlockLayout layout = {};
  ConstTensor documents = {};    // (B, Sk) i32, optional
  ConstTensor key_lengths = {};  // (B) i32, optional: all keys

  static void visit(auto& op, auto&& tensors) {
    tensors(op.offset, op.prefix, op.documents, op.key_lengths);
  }
};

// The queries and keys of a sample.
struct AttentionLengths {
  std::int64_t queries = 0;  // Sq
  std::int64_t keys = 0;     // Sk
};

// Throws Error unless the pattern fits so many samples of these lengths. Reads
// no tensor memory.
void check_pattern(const AttentionPattern& pattern,
                   std::int64_t samples,
                   const AttentionLengths& lengths);

// The number of pairs of a query and a key that it sees, for one head of one
// sample. Tensor memory is not read: key lengths and documents count as if they
// hid nothing.
double pairs(const AttentionPattern& pattern, const AttentionLengths& lengths);

// The number of keys from the first to the last that some query sees, counted
// in the same way.
double keys_seen(const AttentionPattern& pattern,
                 const AttentionLengths& lengths);

// [first, last), empty where first >= last.
struct PositionRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

// Queries [first_query, + queries) with keys [first_key, + keys).
struct PairBlock {
  std::int64_t first_query = 0;
  std::int64_t queries = 0;
  std::int64_t first_key = 0;
  std::int64_t keys = 0;
};

// The pairs of a block that are seen. kDiagonal: exactly those with j <= i, for
// query i and key j counted from the block's first. kSome may be none, if
// documents hide what would be seen otherwise.
enum class Cover : std::uint8_t { kNone, kDiagonal, kSome, kAll };

// The pattern of one sample as numbers, which are in range.
struct SampleNumbers {
  std::int64_t offset = 0;
  std::int64_t prefix = 0;
  std::int64_t keys = 0;
  std::int64_t window = kNoWindow;
  AttentionOrder order = AttentionOrder::kCausal;
  BlockLayout layout = {};
  const std::int32_t* documents = nullptr;  // (Sk), optional
};

// The pattern of one sample, with its numbers. It views the pattern's layout
// and documents.
class SamplePattern {
 public:
  constexpr explicit SamplePattern(const SampleNumbers& numbers)
      : offset_(numbers.offset),
        prefix_(numbers.prefix),
        keys_(numbers.keys),
        window_(numbers.window),
        ahead_(numbers.order == AttentionOrder::kCausal ? 1 : numbers.window),
        layout_(numbers.layout),
        documents_(numbers.documents) {}
  // Counts as pairs() does.
  SamplePattern(const AttentionPattern& pattern,
                const AttentionLengths& lengths);
  // The pattern of sample b, read from tensor memory. Throws Error if a number
  // there is out of range.
  SamplePattern(const AttentionPattern& pattern,
                const AttentionLengths& lengths,
                std::int64_t b);

  constexpr std::int64_t keys() const { return keys_; }
  constexpr std::int64_t position(std::int64_t query) const {
    return offset_ + query;
  }

  constexpr bool sees(std::int64_t query, std::int64_t key) const {
    const bool is_near = key >= first_near(query) && key < last_near(query);
    return key < keys_ && (key < prefix_ || is_near) &&
           (layout_.side == 0 ||
            layout_.sees(position(query) / layout_.side, key / layout_.side)) &&
           same_document(query, key);
  }
  // A range with every key that some of these queries see.
  constexpr PositionRange keys_of(std::int64_t first_query,
                                  std::int64_t queries) const {
    const auto cut = [&](std::int64_t key) {
      return std::clamp<std::int64_t>(key, 0, keys_);
    };
    const std::int64_t last_query = first_query + queries - 1;
    return {.first = prefix_ > 0 ? 0 : cut(first_near(first_query)),
            .last = cut(std::max(prefix_, last_near(last_query)))};
  }
  // Whether each query sees all keys of one range.
  bool is_one_range() const {
    return layout_.side == 0 && documents_ == nullptr &&
           (prefix_ <= 0 || window_ == kNoWindow);
  }
  // Counts documents as if they hid nothing.
  std::int64_t pairs(const PairBlock& block) const;
  Cover cover(const PairBlock& block) const;

  // Sets s[key * step + query] of a block's pairs to `value` where the query
  // does not see the key. s begins with the block's first pair.
  void mask(float* s,
            std::int64_t step,
            const PairBlock& block,
            float value) const;

 private:
  constexpr bool same_document(std::int64_t query, std::int64_t key) const {
    return documents_ == nullptr ||
           documents_[position(query)] == documents_[key];
  }
  // The keys near a query are [first_near, last_near), as far as they exist.
  constexpr std::int64_t first_near(std::int64_t query) const {
    return position(query) - window_ + 1;
  }
  constexpr std::int64_t last_near(std::int64_t query) const {
    return position(query) + ahead_;
  }
  // Calls body(square, seen) for the part of the block in each square of the
  // layout.
  template <typename Body>
  void for_each_square(const PairBlock& block, const Body& body) const;
  std::int64_t near_pairs(const PairBlock& block) const;
  Cover cover_by_distance(const PairBlock& block) const;
  Cover cover_by_document(const PairBlock& block) const;
  void mask_key(float* row,
                std::int64_t key,
                const PairBlock& block,
                float value) const;
  void check_positions(const AttentionPattern& pattern,
                       const AttentionLengths& lengths) const;

  std::int64_t offset_;
  std::int64_t prefix_;
  std::int64_t keys_;
  std::int64_t window_;
  std::int64_t ahead_;  // last_near is so far ahead of the position
  BlockLayout layout_;
  const std::int32_t* documents_;
};

// Throws Error unless each sample has a valid pattern. Reads tensor memory.
void check_samples(const AttentionPattern& pattern,
                   const AttentionLengths& lengths,
                   std::int64_t samples);

}  // namespace dure::kernels
