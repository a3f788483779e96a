// Pieces of attention on one block of queries and keys, in scratch.
//
// Blocks of scores have keys as rows and queries as columns, s[j][i],
// kAttentionBlock apart. So the maximum and the sum over the keys take whole
// vectors, K and V are read by the element in place, and only the queries' side
// is transposed, once a block of queries.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_ATTENTION_BLOCK_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_ATTENTION_BLOCK_INL_H_
#undef DURE_KERNELS_CPU_ATTENTION_BLOCK_INL_H_
#else
#define DURE_KERNELS_CPU_ATTENTION_BLOCK_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "dure/kernels/cpu/attention_rows-inl.h"
#include "dure/kernels/cpu/tile_product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// A block of queries with a block of keys that some of them see.
struct Block {
  std::int64_t first_query;
  std::int64_t queries;
  std::int64_t first_key = 0;
  std::int64_t keys = 0;
  Cover cover = Cover::kNone;
  Write write = Write::kOverwrite;  // kAdd after the queries' first block

  PairBlock pairs() const { return {first_query, queries, first_key, keys}; }
  bool on_diagonal() const { return cover == Cover::kDiagonal; }
  // The vectors that hold the queries.
  std::int64_t vectors() const { return (queries + kLanes - 1) / kLanes; }
  // The number of keys that some query of vector v sees.
  std::int64_t seen_by(std::int64_t v) const {
    return on_diagonal() ? std::min(keys, (v + 1) * kLanes) : keys;
  }
};

// The rows of the block's queries.
inline HeadSlice slice_of(const HeadTask& task, const Block& block) {
  return {.b = task.b,
          .head = task.head,
          .first = block.first_query,
          .count = block.queries};
}

// Calls body(block) for the blocks of keys that the block's queries see, in
// order. Returns whether there was one.
template <typename Body>
bool for_each_key_block(const SamplePattern& seen,
                        Block block,
                        const Body& body) {
  const PositionRange keys = seen.keys_of(block.first_query, block.queries);
  std::int64_t key = keys.first / kAttentionBlock * kAttentionBlock;
  for (; key < keys.last; key += kAttentionBlock) {
    block.first_key = key;
    block.keys = std::min(kAttentionBlock, keys.last - key);
    block.cover = seen.cover(block.pairs());
    if (block.cover != Cover::kNone) {
      body(block);
      block.write = Write::kAdd;
    }
  }
  return block.write == Write::kAdd;
}

// to[c][r] = from[r][c], four rows by four columns at a time.
inline void transpose(HeadRows<float> to,
                      HeadRows<const float> from,
                      std::int64_t rows,
                      std::int64_t columns) {
  std::int64_t r = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d;
  for (; r + 4 <= rows; r += 4) {
    std::int64_t c = 0;
    for (; c + 4 <= columns; c += 4) {
      const auto row0 = hn::LoadU(d, from.row(r) + c);
      const auto row1 = hn::LoadU(d, from.row(r + 1) + c);
      const auto row2 = hn::LoadU(d, from.row(r + 2) + c);
      const auto row3 = hn::LoadU(d, from.row(r + 3) + c);
      const auto low02 = hn::InterleaveLower(d, row0, row2);
      const auto low13 = hn::InterleaveLower(d, row1, row3);
      const auto high02 = hn::InterleaveUpper(d, row0, row2);
      const auto high13 = hn::InterleaveUpper(d, row1, row3);
      hn::StoreU(hn::InterleaveLower(d, low02, low13), d, to.row(c) + r);
      hn::StoreU(hn::InterleaveUpper(d, low02, low13), d, to.row(c + 1) + r);
      hn::StoreU(hn::InterleaveLower(d, high02, high13), d, to.row(c + 2) + r);
      hn::StoreU(hn::InterleaveUpper(d, high02, high13), d, to.row(c + 3) + r);
    }
    for (; c < columns; ++c) {
      for (std::int64_t i = r; i < r + 4; ++i) {
        to.row(c)[i] = from.row(i)[c];
      }
    }
  }
#endif
  for (; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      to.row(c)[r] = from.row(r)[c];
    }
  }
}

// Transposes the queries' side of a block, to[d][i], with zeros after the last
// query.
inline void turn_rows(float* to,
                      HeadRows<const float> from,
                      std::int64_t rows,
                      std::int64_t columns) {
  if (rows < kAttentionBlock) {
    std::fill_n(to, columns * kAttentionBlock, 0.0F);
  }
  transpose({to, kAttentionBlock}, from, rows, columns);
}

// Transposes the queries' side of a block, from[d][i], to the rows of a head;
// by way of `scratch`, if these have 16 bits.
inline void save_turned_rows(const Heads& heads,
                             const HeadSlice& at,
                             const float* from,
                             HeadRows<float> scratch) {
  const HeadRows<const float> turned = {from, kAttentionBlock};
  const std::int64_t D = heads.at.head_dim;
  if (heads.tensor.dtype() == DType::kF32) {
    transpose(rows_of<float>(heads, at), turned, D, at.count);
    return;
  }
  transpose(scratch, turned, D, at.count);
  save_rows(heads, at, {scratch.data, scratch.step});
}

// s[j][i] = sum_d keys[j][d] queries_t[d][i], without most of what lies above
// the diagonal. `keys` has D-wide rows.
inline void multiply_scores(float* s,
                            const float* keys,
                            const float* queries_t,
                            std::int64_t head_dim,
                            const Block& block) {
  for (std::int64_t j = 0; j < block.keys; j += kTileRows) {
    const std::int64_t left_out = block.on_diagonal() ? j / kLanes : 0;
    if (left_out >= block.vectors()) {
      break;
    }
    multiply({.c = s + j * kAttentionBlock + left_out * kLanes,
              .c_step = kAttentionBlock,
              .a = {keys + j * head_dim, head_dim, 1},
              .b = queries_t + left_out * kLanes,
              .b_step = kAttentionBlock,
              .rows = std::min<std::int64_t>(kTileRows, block.keys - j),
              .vectors = block.vectors() - left_out,
              .depth = head_dim,
              .write = Write::kOverwrite});
  }
}

// out_t[d][i] (+)= sum_j keys[j][d] p[j][i]. On the diagonal it takes kLanes
// keys at a time, so that each is multiplied only with the vectors that see it.
inline void multiply_to_queries(float* out_t,
                                const float* keys,
                                const float* p,
                                std::int64_t head_dim,
                                const Block& block) {
  const std::int64_t step = block.on_diagonal() ? kLanes : block.keys;
  for (std::int64_t j = 0; j < block.keys; j += step) {
    const std::int64_t left_out = block.on_diagonal() ? j / kLanes : 0;
    if (left_out >= block.vectors()) {
      break;
    }
    multiply({.c = out_t + left_out * kLanes,
              .c_step = kAttentionBlock,
              .a = {keys + j * head_dim, 1, head_dim},
              .b = p + j * kAttentionBlock + left_out * kLanes,
              .b_step = kAttentionBlock,
              .rows = head_dim,
              .vectors = block.vectors() - left_out,
              .depth = std::min(step, block.keys - j),
              .write = j == 0 ? block.write : Write::kAdd});
  }
}

// out[j][d] += sum_i p[j][i] queries[i][d]; rows of both padded(D) wide. On the
// diagonal p[j][i] for i < j within the same tile of rows must be 0.
inline void multiply_to_keys(float* out,
                             const float* p,
                             const float* queries,
                             std::int64_t head_dim,
                             const Block& block) {
  const std::int64_t width = padded(head_dim);
  for (std::int64_t j = 0; j < block.keys; j += kTileRows) {
    const std::int64_t left_out = block.on_diagonal() ? j : 0;
    if (left_out >= block.queries) {
      break;
    }
    multiply({.c = out + j * width,
              .c_step = width,
              .a = {p + j * kAttentionBlock + left_out, kAttentionBlock, 1},
              .b = queries + left_out * width,
              .b_step = width,
              .rows = std::min<std::int64_t>(kTileRows, block.keys - j),
              .vectors = width / kLanes,
              .depth = block.queries - left_out,
              .write = Write::kAdd});
  }
}

// Sets the scores of hidden pairs to -inf. On the diagonal it does so only in
// key j's own vector, because no later use reads what lies before it.
inline void mask_scores(float* s,
                        const SamplePattern& seen,
                        const Block& block) {
  if (block.cover == Cover::kSome) {
    seen.mask(s, kAttentionBlock, block.pairs(), -HUGE_VALF);
  }
  if (!block.on_diagonal()) {
    return;
  }
  for (std::int64_t j = 0; j < block.keys; ++j) {
    float* row = s + j * kAttentionBlock;
    std::fill(row + j / kLanes * kLanes, row + j, -HUGE_VALF);
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
