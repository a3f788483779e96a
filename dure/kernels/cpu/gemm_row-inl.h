// A single row times a panel of op(b) whose k are neighbours in memory, as in
// the decoding of one text: each element of b is used once. So it is
// transposed, and widened, in registers on its way to the sums, and not packed.
//
//   sums[n] = sum_k a[k * kTileRows] b(first_item + n, depth.first + k)
//
// Its sums have the bits of gemm_tile-inl.h: fused multiply-adds in order of k.
//
// Included once for each target.
#if defined(DURE_KERNELS_CPU_GEMM_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_GEMM_ROW_INL_H_
#undef DURE_KERNELS_CPU_GEMM_ROW_INL_H_
#else
#define DURE_KERNELS_CPU_GEMM_ROW_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <algorithm>
#include <cstdint>
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/gemm_pack-inl.h"
#include "dure/kernels/cpu/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The sums of a panel's columns, in vectors of the width that transposing has.
using RowTag = PackTag<kTileColumns>;
inline constexpr std::int64_t kRowLanes = hn::MaxLanes(RowTag());
inline constexpr int kRowVectors = kTileColumns / hn::MaxLanes(RowTag());

struct RowSums {
  hn::Vec<RowTag> of[kRowVectors];
};

// Adds one depth, without vectors of b.
template <typename Element>
HWY_INLINE void add_depth(float a,
                          const Element* b,
                          std::int64_t item_step,
                          RowSums& sums) {
  const RowTag d;
  HWY_ALIGN float column[kTileColumns];
  for (std::int64_t n = 0; n < kTileColumns; ++n) {
    column[n] = to_float(b[n * item_step]);
  }
  for (int v = 0; v < kRowVectors; ++v) {
    const auto right = hn::Load(d, column + v * kRowLanes);
    sums.of[v] = hn::MulAdd(hn::Set(d, a), right, sums.of[v]);
  }
}

#if HWY_TARGET != HWY_SCALAR

// The depths that add_fours() adds at once: 4 words.
template <typename Element>
inline constexpr std::int64_t kFours = 4 * kWord<Element>;

template <typename Element>
HWY_NOINLINE void add_fours(const float* a,
                            const Element* b,
                            std::int64_t item_step,
                            RowSums& sums) {
  const RowTag d;
  for (int v = 0; v < kRowVectors; ++v) {
    auto sum = sums.of[v];
    const auto add = [&](auto column, std::int64_t k) HWY_ATTR {
      sum = hn::MulAdd(hn::Set(d, a[k * kTileRows]), column, sum);
    };
    transpose_fours(d, b + v * kRowLanes * item_step, item_step, add);
    sums.of[v] = sum;
  }
}

#else

// Without vectors each depth is added alone.
template <typename Element>
inline constexpr std::int64_t kFours = 1;

template <typename Element>
HWY_INLINE void add_fours(const float* a,
                          const Element* b,
                          std::int64_t item_step,
                          RowSums& sums) {
  add_depth(*a, b, item_step, sums);
}

#endif

// Takes a whole panel. There are more items than the hardware prefetcher
// follows, so the next lines are prefetched here.
template <typename Element>
HWY_NOINLINE void multiply_row(const float* a,
                               const PackSource<Element>& b,
                               std::int64_t first_item,
                               Range depth,
                               float* to) {
  constexpr std::int64_t kAhead = 2 * kLine<Element>;
  const RowTag d;
  const std::int64_t step = b.item_step;
  const Element* const from = b.data + first_item * step + depth.first;
  const std::int64_t end = depth.count() / kFours<Element> * kFours<Element>;
  RowSums sums;
  for (int v = 0; v < kRowVectors; ++v) {
    sums.of[v] = hn::Zero(d);
  }
  std::int64_t k = 0;
  for (std::int64_t line = 0; line < end; line += kLine<Element>) {
    for (std::int64_t n = 0; n < kTileColumns; ++n) {
      hwy::Prefetch(from + n * step + line + kAhead);
    }
    const std::int64_t line_end = std::min(line + kLine<Element>, end);
    for (; k < line_end; k += kFours<Element>) {
      add_fours(a + k * kTileRows, from + k, step, sums);
    }
  }
  for (; k < depth.count(); ++k) {
    add_depth(a[k * kTileRows], from + k, step, sums);
  }
  for (int v = 0; v < kRowVectors; ++v) {
    hn::StoreU(sums.of[v], d, to + v * kRowLanes);
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
