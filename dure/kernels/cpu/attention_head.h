// What the forward and the backward of attention share that is not vector
// code: where a head lies in qkv, and how a thread's scratch is cut up.
#pragma once

#include <cstdint>

#include "dure/base/team.h"
#include "dure/kernels/attention.h"

namespace dure::kernels {

// Queries and keys are taken in blocks of this many: a block of scores (16 KiB)
// stays in the first-level cache beside a block of 64-wide heads.
inline constexpr std::int64_t kAttentionBlock = 64;

// Floats in the widest vector: rows of scratch are padded to it.
inline constexpr std::int64_t kAttentionPad = 16;

constexpr std::int64_t padded(std::int64_t floats) {
  return (floats + kAttentionPad - 1) / kAttentionPad * kAttentionPad;
}

// Floats of scratch one thread wants; attention_scratch() is this many a
// thread.
constexpr std::int64_t attention_thread_scratch(const AttentionShape& shape) {
  const std::int64_t D = shape.head_dim;
  const std::int64_t whole_heads =
      2 * padded(shape.sequence * D) + 2 * shape.sequence * padded(D);
  const std::int64_t turned_blocks = 3 * D * kAttentionBlock;
  const std::int64_t blocks = 2 * kAttentionBlock * padded(D);
  const std::int64_t scores = 3 * kAttentionBlock * kAttentionBlock;
  const std::int64_t rows = 2 * kAttentionBlock;
  return whole_heads + turned_blocks + blocks + scores + rows;
}

// Elements of it; checks that a team's members all have theirs.
std::int64_t scratch_of_member(const AttentionShape& shape,
                               const Tensor& scratch,
                               const Team& team);

// Hands out a thread's scratch piece by piece.
class ScratchCutter {
 public:
  explicit ScratchCutter(float* next) : next_(next) {}
  float* take(std::int64_t floats) {
    float* piece = next_;
    next_ += padded(floats);
    return piece;
  }

 private:
  float* next_;
};

// The rows of one head of one sequence within a matrix of many.
template <typename Float>
struct HeadRows {
  Float* data;
  std::int64_t step;

  Float* row(std::int64_t i) const { return data + i * step; }
  HeadRows from(std::int64_t i) const { return {row(i), step}; }
};

// Column `slot` of D-wide columns, in the rows of sequence b.
template <typename Float>
HeadRows<Float> head_rows(Float* data,
                          const AttentionShape& shape,
                          std::int64_t columns,
                          std::int64_t b,
                          std::int64_t slot) {
  return {data + b * shape.sequence * columns + slot * shape.head_dim, columns};
}

// One query head of one sequence, or with the backward one key head.
struct HeadTask {
  std::int64_t b;
  std::int64_t head;
  std::int64_t first_block = 0;  // blocks first_block, + block_step, ...
  std::int64_t block_step = 1;
  float* scratch = nullptr;
};

}  // namespace dure::kernels
