// Dropout of a block of attention's probabilities, drawn in vectors.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_ATTENTION_KEEP_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_ATTENTION_KEEP_INL_H_
#undef DURE_KERNELS_CPU_ATTENTION_KEEP_INL_H_
#else
#define DURE_KERNELS_CPU_ATTENTION_KEEP_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <cstdint>

#include "dure/kernels/cpu/attention_block-inl.h"
#include "dure/kernels/cpu/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The dropout index (attention.h) of query i of a head with its first key.
inline std::uint64_t dropout_row(const AttentionInputs& in,
                                 const DropoutMask& mask,
                                 const HeadTask& task,
                                 std::int64_t query) {
  const std::int64_t H = in.q.at.heads;
  const auto heads = static_cast<std::uint64_t>(in.parts * H);
  const auto head = static_cast<std::uint64_t>(in.part * H + task.head);
  const auto queries = static_cast<std::uint64_t>(in.q.at.rows);
  const auto keys = static_cast<std::uint64_t>(in.k.at.rows);
  const std::uint64_t b =
      mask.first_index() + static_cast<std::uint64_t>(task.b);
  return ((b * heads + head) * queries + static_cast<std::uint64_t>(query)) *
         keys;
}

// factors[n] = 1 / (1 - rate) if element first_index + n stays, else 0.
inline void keep_factors(float* factors,
                         const DropoutMask& mask,
                         std::uint64_t first_index,
                         std::int64_t count) {
  const Floats d;
  HWY_ALIGN std::uint32_t buffer[words_for(kAttentionBlock + kLanes)];
  const std::uint32_t* const words =
      draw_words(mask.stream, first_index, count, buffer);
  const std::int32_t threshold = keep_threshold(mask.rate);
  const Vector kept_factor = hn::Set(d, 1.0F / (1.0F - mask.rate));
  for (std::int64_t n = 0; n < count; n += kLanes) {
    hn::StoreU(hn::IfThenElseZero(kept(words + n, threshold), kept_factor),
               d,
               factors + n);
  }
}

// keep[j][i] = 1 / (1 - rate) if the pair stays, else 0. The generator's order
// is along the keys, so numbers are drawn into rows[i][j], a block of scratch,
// and transposed.
inline void fill_keep(float* keep,
                      float* rows,
                      const AttentionInputs& in,
                      const DropoutMask& mask,
                      const HeadTask& task,
                      const Block& block) {
  for (std::int64_t i = 0; i < block.queries; ++i) {
    const std::uint64_t row =
        dropout_row(in, mask, task, block.first_query + i);
    keep_factors(rows + i * kAttentionBlock,
                 mask,
                 row + static_cast<std::uint64_t>(block.first_key),
                 block.keys);
  }
  turn_rows(keep, {rows, kAttentionBlock}, block.queries, block.keys);
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
