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
#include "dure/kernels/attention_check.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {

// Queries and keys are taken in blocks of this many: a block of scores (16 KiB)
// stays in the first-level cache beside a block of 64-wide heads.
inline constexpr std::int64_t kAttentionBlock = 64;

// Floats in the widest vector: rows of scratch are padded to it.
inline constexpr std::int64_t kAttentionPad = 16;

constexpr std::int64_t padded(std::int64_t floats) {
  return round_up(floats, kAttentionPad);
}

// The positions of a cache that are read together, and the rows of queries that
// use them before the next: 64 positions of 128 are 64 KiB of keys and values.
inline constexpr std::int64_t kCachedPositions = 64;
inline constexpr std::int64_t kCachedQueries = 16;

// Throws Error unless all members have so many elements.
void check_scratch_of_members(const Tensor& scratch,
                              std::int64_t elements,
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
template <typename Element>
struct HeadRows {
  Element* data;
  std::int64_t step;

  Element* row(std::int64_t i) const { return data + i * step; }
  HeadRows from(std::int64_t i) const { return {row(i), step}; }
};

template <typename Element>
HeadRows<const Element> head_rows(const ConstHeads& heads,
                                  std::int64_t b,
                                  std::int64_t head) {
  return {heads.tensor.data<Element>() + heads.at.offset(b, head),
          heads.at.row_step};
}

template <typename Element>
HeadRows<Element> head_rows(const Heads& heads,
                            std::int64_t b,
                            std::int64_t head) {
  return {heads.tensor.data<Element>() + heads.at.offset(b, head),
          heads.at.row_step};
}

// The elements of the bias table's rows for the query heads of a key head.
inline std::int64_t table_elements_of_group(const AttentionInputs& in) {
  return in.bias.table ? heads_of_group(in) * in.bias.table.shape()[1] : 0;
}

// The column of the bias table for a distance.
inline std::int64_t table_column(const AttentionBias& bias,
                                 std::int64_t distance) {
  return std::clamp<std::int64_t>(
      distance + bias.zero, 0, bias.table.shape()[1] - 1);
}

inline float element_in_f32(const ConstTensor& tensor, std::int64_t at) {
  return with_float_type(tensor.dtype(), [&](auto element) {
    return to_float(tensor.data<decltype(element)>()[at]);
  });
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
    sum += element_in_f32(
        bias.table,
        head * bias.table.shape()[1] + table_column(bias, distance));
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
  float* d_table = nullptr;  // the sums of the key head's rows of d_table, f32
};

}  // namespace dure::kernels
