// Packing: a panel of a matrix, some items wide and some deep, laid out in the
// order in which the multiplication reads it.
//
//   panel[k * width + i] = element(first_item + i, first_k + k)
//
// Items past the last are 0. Included once for each target.
#if defined(DURE_KERNELS_CPU_GEMM_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_GEMM_PACK_INL_H_
#undef DURE_KERNELS_CPU_GEMM_PACK_INL_H_
#else
#define DURE_KERNELS_CPU_GEMM_PACK_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "dure/kernels/cpu/gemm_plan.h"
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// An operand as rows and columns of the product see it: items are rows of op(a)
// or columns of op(b); either they or k are next to one another in memory.
struct PackSource {
  const float* data;
  std::int64_t items;
  std::int64_t item_step;
  std::int64_t depth_step;
};

// At most 8 lanes: so many rows of a large matrix may fall into one set of a
// first-level cache of 8 ways.
template <int kWidth>
using PackTag = hn::CappedTag<float, kWidth % 8 == 0 ? 8 : 4>;

#if HWY_TARGET != HWY_SCALAR

// In block b of 4 lanes: 4 elements in a row of item 4 b.
template <class D>
HWY_INLINE hn::Vec<D> load_fours(D d, const float* from, std::int64_t step) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<D> half;
    constexpr auto kHalf = static_cast<std::int64_t>(hn::MaxLanes(D())) / 2;
    return hn::Combine(d,
                       load_fours(half, from + kHalf * step, step),
                       load_fours(half, from, step));
  }
}

// As many items as a vector has lanes by 4 deep, transposed in blocks of 4 x 4.
template <int kWidth>
HWY_INLINE void transpose_fours(const float* from,
                                std::int64_t item_step,
                                float* to) {
  const PackTag<kWidth> d;
  const hn::RepartitionToWide<PackTag<kWidth>> pairs;
  const auto r0 = load_fours(d, from, item_step);
  const auto r1 = load_fours(d, from + item_step, item_step);
  const auto r2 = load_fours(d, from + 2 * item_step, item_step);
  const auto r3 = load_fours(d, from + 3 * item_step, item_step);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
  const auto store = [&](auto v, std::int64_t k) HWY_ATTR {
    hn::StoreU(hn::BitCast(d, v), d, to + k * kWidth);
  };
  store(hn::InterleaveLower(pairs, low01, low23), 0);
  store(hn::InterleaveUpper(pairs, low01, low23), 1);
  store(hn::InterleaveLower(pairs, high01, high23), 2);
  store(hn::InterleaveUpper(pairs, high01, high23), 3);
}

// As far as whole blocks of 4 go; says how far that is.
template <int kWidth>
HWY_INLINE std::int64_t pack_fours(const float* from,
                                   std::int64_t item_step,
                                   std::int64_t depth,
                                   float* to) {
  constexpr std::int64_t kLanesAtOnce = hn::MaxLanes(PackTag<kWidth>());
  const std::int64_t end = depth / 4 * 4;
  for (std::int64_t i = 0; i < kWidth; i += kLanesAtOnce) {
    const float* const items = from + i * item_step;
    for (std::int64_t k = 0; k < end; k += 4) {
      transpose_fours<kWidth>(items + k, item_step, to + k * kWidth + i);
    }
  }
  return end;
}

#else

template <int kWidth>
HWY_INLINE std::int64_t pack_fours(const float*,
                                   std::int64_t,
                                   std::int64_t,
                                   float*) {
  return 0;
}

#endif

template <int kWidth>
HWY_INLINE void pack_transposed(const float* from,
                                std::int64_t item_step,
                                std::int64_t depth,
                                float* to) {
  std::int64_t k = pack_fours<kWidth>(from, item_step, depth, to);
  for (; k < depth; ++k) {
    for (std::int64_t i = 0; i < kWidth; ++i) {
      to[k * kWidth + i] = from[i * item_step + k];
    }
  }
}

template <int kWidth>
HWY_INLINE void pack_in_order(const float* from,
                              std::int64_t depth_step,
                              std::int64_t depth,
                              float* to) {
  const PackTag<kWidth> d;
  constexpr std::int64_t kLanesAtOnce = hn::MaxLanes(PackTag<kWidth>());
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t i = 0; i < kWidth; i += kLanesAtOnce) {
      hn::StoreU(
          hn::LoadU(d, from + k * depth_step + i), d, to + k * kWidth + i);
    }
  }
}

// The last panel, with fewer items than its width.
template <int kWidth>
HWY_INLINE void pack_partly(const PackSource& from,
                            std::int64_t first_item,
                            Range depth,
                            float* to) {
  const std::int64_t items = from.items - first_item;
  const float* const data = from.data + first_item * from.item_step;
  for (std::int64_t k = depth.first; k < depth.last; ++k) {
    for (std::int64_t i = 0; i < items; ++i) {
      to[i] = data[i * from.item_step + k * from.depth_step];
    }
    std::fill(to + items, to + kWidth, 0.0F);
    to += kWidth;
  }
}

template <int kWidth>
HWY_INLINE void pack_panel(const PackSource& from,
                           std::int64_t first_item,
                           Range depth,
                           float* to) {
  if (first_item + kWidth > from.items) {
    return pack_partly<kWidth>(from, first_item, depth, to);
  }
  const float* const data =
      from.data + first_item * from.item_step + depth.first * from.depth_step;
  if (from.depth_step == 1) {
    pack_transposed<kWidth>(data, from.item_step, depth.count(), to);
  } else {
    pack_in_order<kWidth>(data, from.depth_step, depth.count(), to);
  }
}

// Panels one after another. Few steps of k at a time where items are next to
// one another: the rest of a cache line is the next panel's.
template <int kWidth>
HWY_NOINLINE void pack_panels(const PackSource& from,
                              Range panels,
                              Range depth,
                              float* to) {
  constexpr std::int64_t kDepthStep = 8;
  const std::int64_t panel_elements = depth.count() * kWidth;
  const std::int64_t step = from.depth_step == 1 ? depth.count() : kDepthStep;
  for (std::int64_t k = depth.first; k < depth.last; k += step) {
    const Range part{k, std::min(k + step, depth.last)};
    for (std::int64_t p = panels.first; p < panels.last; ++p) {
      pack_panel<kWidth>(from,
                         p * kWidth,
                         part,
                         to + (p - panels.first) * panel_elements +
                             (k - depth.first) * kWidth);
    }
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
