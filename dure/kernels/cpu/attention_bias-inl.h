// Biases by distance of a block of attention's scores, and their gradient.
//
// The pairs of a block have as many distances as it has diagonals: diagonal
// i - j + kAttentionBlock of query i and key j, both counted from the block's
// first.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_ATTENTION_BIAS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_ATTENTION_BIAS_INL_H_
#undef DURE_KERNELS_CPU_ATTENTION_BIAS_INL_H_
#else
#define DURE_KERNELS_CPU_ATTENTION_BIAS_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <array>
#include <cstddef>
#include <cstdint>

#include "dure/kernels/cpu/attention_block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

using Diagonals = std::array<float, 2 * kAttentionBlock>;

// The distance of a pair on diagonal 0.
inline std::int64_t first_distance(const HeadTask& task, const Block& block) {
  return task.seen.position(block.first_query) - block.first_key -
         kAttentionBlock;
}

// s[j][i] += bias / scale, so that the scale of the scores makes it the bias.
inline void add_bias(float* s,
                     const AttentionInputs& in,
                     const HeadTask& task,
                     const Block& block) {
  if (!in.bias.is_there()) {
    return;
  }
  const Floats d;
  const std::int64_t first = first_distance(task, block);
  Diagonals bias;
  for (std::size_t n = 0; n < bias.size(); ++n) {
    const std::int64_t distance = first + static_cast<std::int64_t>(n);
    bias[n] = bias_of(in.bias, task.head, distance) / in.scale;
  }
  for (std::int64_t j = 0; j < block.keys; ++j) {
    float* row = s + j * kAttentionBlock;
    const float* gain = bias.data() + kAttentionBlock - j;
    for (std::int64_t i = 0; i < block.queries; i += kLanes) {
      hn::StoreU(
          hn::Add(hn::LoadU(d, row + i), hn::LoadU(d, gain + i)), d, row + i);
    }
  }
}

// d_row, the head's row of d_table, += the sums of d_s / scale over the pairs
// of each distance.
inline void add_bias_gradient(float* d_row,
                              const float* d_s,
                              const AttentionBackward& op,
                              const HeadTask& task,
                              const Block& block) {
  const AttentionBias& bias = op.in.bias;
  Diagonals sums = {};
  for (std::int64_t j = 0; j < block.keys; ++j) {
    const float* row = d_s + j * kAttentionBlock;
    float* sum = sums.data() + kAttentionBlock - j;
    for (std::int64_t i = 0; i < block.queries; ++i) {
      sum[i] += row[i];
    }
  }
  const std::int64_t first = first_distance(task, block);
  for (std::size_t n = 0; n < sums.size(); ++n) {
    const std::int64_t distance = first + static_cast<std::int64_t>(n);
    d_row[table_column(bias, distance)] += sums[n] / op.in.scale;
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
