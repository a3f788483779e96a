// Shared parts of attention's forward and backward that are not vector code:
// where a head's rows lie, the biases of scores, and the layout of a thread's
// scratch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "dure/base/arithmetic.h"
#include "dure/base/team.h"
#include "dure/kernels/attention.h"

namespace dure::kernels {

// Queries and keys are taken in blocks of this many: a block of scores (16 KiB)
// stays in the first-level cache beside a block of 64-wide heads.
inline constexpr std::int64_t kAttentionBlock = 64;

// Floats in the widest vector: rows of scratch are padded to it.
inline constexpr std::int64_t kAttentionPad = 16;

constexpr std::int64_t padded(std::int64_t floats) {
  return round_up(floats, kAttentionPad);
}

// The scratch elements of a member; checks that all members have theirs.
std::int64_t scratch_of_member(const AttentionInputs& in,
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

inline HeadRows<const float> head_rows(const ConstHeads& heads,
                                       std::int64_t b,
                                       std::int64_t head) {
  return {heads.tensor.data<float>() + heads.at.offset(b, head),
          heads.at.row_step};
}

inline HeadRows<float> head_rows(const Heads& heads,
                                 std::int64_t b,
                                 std::int64_t head) {
  return {heads.tensor.data<float>() + heads.at.offset(b, head),
          heads.at.row_step};
}

// The rows of y, or of its gradient: (B Sq, H D).
template <typename Float>
HeadRows<Float> output_rows(Float* y,
                            const HeadLayout& q,
                            std::int64_t b,
                            std::int64_t head) {
  return {y + (b * q.rows * q.heads + head) * q.head_dim, q.heads * q.head_dim};
}

inline std::int64_t heads_of_group(const AttentionInputs& in) {
  return in.q.at.heads / in.k.at.heads;
}

// The column of the bias table for a distance.
inline std::int64_t table_column(const AttentionBias& bias,
                                 std::int64_t distance) {
  return std::clamp<std::int64_t>(
      distance + bias.zero, 0, bias.table.shape()[1] - 1);
}

// The bias of a head's score for the distance of the pair.
inline float bias_of(const AttentionBias& bias,
                     std::int64_t head,
                     std::int64_t distance) {
  float sum = 0;
  if (!bias.slopes.empty()) {
    sum -= bias.slopes[static_cast<std::size_t>(head)] *
           static_cast<float>(std::abs(distance));
  }
  if (bias.table) {
    sum += bias.table.data<float>()[head * bias.table.shape()[1] +
                                    table_column(bias, distance)];
  }
  return sum;
}

// A query head of one sample; in the backward, a key head.
struct HeadTask {
  SamplePattern seen;
  std::int64_t b;
  std::int64_t head;
  std::int64_t first_block = 0;  // blocks first_block, + block_step, ...
  std::int64_t block_step = 1;
  float* scratch = nullptr;
};

}  // namespace dure::kernels
