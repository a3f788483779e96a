// Dropout of a block of attention's probabilities, drawn in vectors.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_ATTENTION_KEEP_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_ATTENTION_KEEP_INL_H_
#undef DURE_KERNELS_CPU_ATTENTION_KEEP_INL_H_
#else
#define DURE_KERNELS_CPU_ATTENTION_KEEP_INL_H_
#endif

#include <cstdint>

#include "dure/kernels/cpu/attention_block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// Index of attention.h of the first key of query i of a head.
inline std::uint64_t dropout_row(const AttentionShape& shape,
                                 const DropoutMask& mask,
                                 const HeadTask& task,
                                 std::int64_t query) {
  const auto heads = static_cast<std::uint64_t>(shape.heads);
  const auto sequence = static_cast<std::uint64_t>(shape.sequence);
  const std::uint64_t b = mask.first_index + static_cast<std::uint64_t>(task.b);
  return ((b * heads + static_cast<std::uint64_t>(task.head)) * sequence +
          static_cast<std::uint64_t>(query)) *
         sequence;
}

// keep[j][i] = 1 / (1 - rate) where the element stays, else 0.
inline void fill_keep(float* keep,
                      const AttentionShape& shape,
                      const DropoutMask& mask,
                      const HeadTask& task,
                      const Block& block) {
  const float kept = 1.0F / (1.0F - mask.rate);
  for (std::int64_t i = 0; i < block.vectors() * kLanes; ++i) {
    const std::uint64_t row =
        dropout_row(shape, mask, task, block.first_query + i);
    for (std::int64_t j = 0; j < block.keys; ++j) {
      const std::uint64_t index =
          row + static_cast<std::uint64_t>(block.first_key + j);
      keep[j * kAttentionBlock + i] =
          mask.stream.uniform(index, mask.major) >= mask.rate ? kept : 0.0F;
    }
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
