// Packing: a panel of a matrix, some items wide and some deep, laid out in the
// order in which the multiplication reads it.
//
//   panel[k * width + i] = element(first_item + i, first_k + k)
//
// Elements are f32, bf16 or f16, and become f32. Items past the last are 0.
// Included once for each target.
#if defined(DURE_KERNELS_CPU_GEMM_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_GEMM_PACK_INL_H_
#undef DURE_KERNELS_CPU_GEMM_PACK_INL_H_
#else
#define DURE_KERNELS_CPU_GEMM_PACK_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <algorithm>
#include <cstdint>
#include <hwy/cache_control.h>
#include <hwy/highway.h>
#include <type_traits>

#include "dure/base/half.h"
#include "dure/kernels/cpu/gemm_plan.h"
#include "dure/kernels/cpu/vector_elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// An operand in the product's terms: items are rows of op(a) or columns of
// op(b). Either items or k are neighbours in memory.
template <typename Element>
struct PackSource {
  const Element* data;
  std::int64_t items;
  std::int64_t item_step;
  std::int64_t depth_step;
};

// At most 8 lanes, because so many rows of a large matrix may fall into one set
// of a first-level cache of 8 ways.
template <int kWidth>
using PackTag = hn::CappedTag<float, kWidth % 8 == 0 ? 8 : 4>;

// The elements of a cache line, and of the 32 bits that transposing moves as
// one.
template <typename Element>
inline constexpr std::int64_t kLine = 64 / sizeof(Element);
template <typename Element>
inline constexpr std::int64_t kWord = 4 / sizeof(Element);

// Prefetches into the second-level cache: lines whose addresses differ by a
// power of two would push one another out of the first.
HWY_INLINE void prefetch_far(const void* address) {
  __builtin_prefetch(address, 0, 2);
}

#if HWY_TARGET != HWY_SCALAR

// Block b of 4 lanes gets 4 words in a row of item 4 b.
template <class D, typename Element>
HWY_INLINE hn::Vec<D> load_fours(D d, const Element* from, std::int64_t step) {
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    constexpr auto kHalf = static_cast<std::int64_t>(hn::MaxLanes(D())) / 2;
    return hn::Combine(d,
                       load_fours(half, from + kHalf * step, step),
                       load_fours(half, from, step));
  } else if constexpr (std::is_same_v<Element, float>) {
    return hn::LoadU(d, from);
  } else {
    const hn::Repartition<std::uint16_t, D> bits;
    return hn::BitCast(d, hn::LoadU(bits, &from->bits));
  }
}

// Calls take(column, k) for a word of each item: the elements of one depth, or
// of two, widened. `first` is the first of these.
template <typename Element, class D, class Take>
HWY_INLINE void take_word(D d,
                          hn::Vec<D> word,
                          std::int64_t first,
                          const Take& take) {
  if constexpr (std::is_same_v<Element, float>) {
    take(word, first);
  } else if constexpr (std::is_same_v<Element, Bf16>) {
    const hn::RebindToUnsigned<D> pair;
    const auto both = hn::BitCast(pair, word);
    const auto upper = hn::And(both, hn::Set(pair, 0xFFFF0000U));
    take(hn::BitCast(d, hn::ShiftLeft<16>(both)), first);
    take(hn::BitCast(d, upper), first + 1);
  } else {
    const hn::RebindToSigned<D> number;
    const hn::RebindToUnsigned<D> pair;
    const auto both = hn::BitCast(pair, word);
    const auto lower = hn::And(both, hn::Set(pair, 0xFFFF));
    const auto upper = hn::ShiftRight<16>(both);
    take(float_of<Element>(d, hn::BitCast(number, lower)), first);
    take(float_of<Element>(d, hn::BitCast(number, upper)), first + 1);
  }
}

// Transposes 4 x 4 words in each block of 4 lanes.
template <class D>
struct FourColumns {
  hn::Vec<D> of[4];
};

template <class D>
HWY_INLINE FourColumns<D> transpose_blocks(
    D d, hn::Vec<D> r0, hn::Vec<D> r1, hn::Vec<D> r2, hn::Vec<D> r3) {
  const hn::RepartitionToWide<D> pairs;
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
  return {{hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)),
           hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)),
           hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)),
           hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23))}};
}

// Does what transpose_fours() does for 8 items of f16, which an instruction
// widens in order of depth, so before they are transposed.
template <class D, class Take>
HWY_INLINE void transpose_f16(D d,
                              const F16* from,
                              std::int64_t item_step,
                              const Take& take) {
  const auto row = [&](std::int64_t i) HWY_ATTR {
    return load_floats(d, from + i * item_step);
  };
  const auto first = transpose_blocks(d, row(0), row(1), row(2), row(3));
  const auto second = transpose_blocks(d, row(4), row(5), row(6), row(7));
  HWY_UNROLL(4)
  for (int k = 0; k < 4; ++k) {
    take(hn::ConcatLowerLower(d, second.of[k], first.of[k]), k);
  }
  HWY_UNROLL(4)
  for (int k = 0; k < 4; ++k) {
    take(hn::ConcatUpperUpper(d, second.of[k], first.of[k]), 4 + k);
  }
}

// Transposes as many items as d has lanes, 4 words deep, in blocks of 4 x 4
// words, and calls take(column, k) for each depth in turn, from 0 on. Elements
// of 16 bits are widened after that, because so they need half as many
// shuffles.
template <class D, typename Element, class Take>
HWY_INLINE void transpose_fours(D d,
                                const Element* from,
                                std::int64_t item_step,
                                const Take& take) {
  if constexpr (std::is_same_v<Element, F16> && kHasF16C &&
                hn::MaxLanes(D()) == 8) {
    transpose_f16(d, from, item_step, take);
  } else {
    const auto columns =
        transpose_blocks(d,
                         load_fours(d, from, item_step),
                         load_fours(d, from + item_step, item_step),
                         load_fours(d, from + 2 * item_step, item_step),
                         load_fours(d, from + 3 * item_step, item_step));
    HWY_UNROLL(4)
    for (int word = 0; word < 4; ++word) {
      take_word<Element>(d, columns.of[word], word * kWord<Element>, take);
    }
  }
}

// Packs whole blocks of 4 words in depth, and returns how far that goes. It
// goes line by line of the source, so that lines being written stay in the
// cache until they are whole. There are more items than the hardware prefetcher
// follows, so the next lines are prefetched here.
template <int kWidth, typename Element>
HWY_INLINE std::int64_t pack_fours(const Element* from,
                                   std::int64_t item_step,
                                   std::int64_t depth,
                                   float* to) {
  constexpr std::int64_t kFour = 4 * kWord<Element>;
  constexpr std::int64_t kAhead = 2 * kLine<Element>;
  const PackTag<kWidth> d;
  constexpr std::int64_t kLanesAtOnce = hn::MaxLanes(PackTag<kWidth>());
  const std::int64_t end = depth / kFour * kFour;
  for (std::int64_t line = 0; line < end; line += kLine<Element>) {
    const std::int64_t line_end = std::min(line + kLine<Element>, end);
    for (std::int64_t i = 0; i < kWidth; ++i) {
      hwy::Prefetch(from + i * item_step + line + kAhead);
    }
    for (std::int64_t i = 0; i < kWidth; i += kLanesAtOnce) {
      const Element* const items = from + i * item_step;
      for (std::int64_t k = line; k < line_end; k += kFour) {
        const auto store = [&](auto column, std::int64_t depth_of) HWY_ATTR {
          hn::StoreU(column, d, to + (k + depth_of) * kWidth + i);
        };
        transpose_fours(d, items + k, item_step, store);
      }
    }
  }
  return end;
}

#else

template <int kWidth, typename Element>
HWY_INLINE std::int64_t pack_fours(const Element*,
                                   std::int64_t,
                                   std::int64_t,
                                   float*) {
  return 0;
}

#endif

template <int kWidth, typename Element>
HWY_INLINE void pack_transposed(const Element* from,
                                std::int64_t item_step,
                                std::int64_t depth,
                                float* to) {
  std::int64_t k = pack_fours<kWidth>(from, item_step, depth, to);
  for (; k < depth; ++k) {
    for (std::int64_t i = 0; i < kWidth; ++i) {
      to[k * kWidth + i] = to_float(from[i * item_step + k]);
    }
  }
}

// Packs `panels` panels side by side, so that a line of the source is read
// once.
template <int kWidth, typename Element>
HWY_INLINE void pack_in_order(const Element* from,
                              std::int64_t depth_step,
                              std::int64_t depth,
                              std::int64_t panels,
                              float* to) {
  constexpr std::int64_t kAhead = 24;
  const PackTag<kWidth> d;
  constexpr std::int64_t kLanesAtOnce = hn::MaxLanes(PackTag<kWidth>());
  for (std::int64_t k = 0; k < depth; ++k) {
    const Element* const row = from + k * depth_step;
    for (std::int64_t i = 0; i < panels * kWidth; i += kLine<Element>) {
      prefetch_far(row + kAhead * depth_step + i);
    }
    for (std::int64_t p = 0; p < panels; ++p) {
      float* const panel = to + (p * depth + k) * kWidth;
      for (std::int64_t i = 0; i < kWidth; i += kLanesAtOnce) {
        hn::StoreU(load_floats(d, row + p * kWidth + i), d, panel + i);
      }
    }
  }
}

// Packs the last panel, which has fewer items than its width.
template <int kWidth, typename Element>
HWY_INLINE void pack_partly(const PackSource<Element>& from,
                            std::int64_t first_item,
                            Range depth,
                            float* to) {
  const std::int64_t items = from.items - first_item;
  const Element* const data = from.data + first_item * from.item_step;
  for (std::int64_t k = depth.first; k < depth.last; ++k) {
    for (std::int64_t i = 0; i < items; ++i) {
      to[i] = to_float(data[i * from.item_step + k * from.depth_step]);
    }
    std::fill(to + items, to + kWidth, 0.0F);
    to += kWidth;
  }
}

// Packs `count` whole panels.
template <int kWidth, typename Element>
HWY_INLINE void pack_whole(const PackSource<Element>& from,
                           std::int64_t first_item,
                           std::int64_t count,
                           Range depth,
                           float* to) {
  const Element* const data =
      from.data + first_item * from.item_step + depth.first * from.depth_step;
  if (from.depth_step != 1) {
    return pack_in_order<kWidth>(
        data, from.depth_step, depth.count(), count, to);
  }
  for (std::int64_t p = 0; p < count; ++p) {
    pack_transposed<kWidth>(data + p * kWidth * from.item_step,
                            from.item_step,
                            depth.count(),
                            to + p * kWidth * depth.count());
  }
}

// Packs panels one after another.
template <int kWidth, typename Element>
HWY_NOINLINE void pack_panels(const PackSource<Element>& from,
                              Range panels,
                              Range depth,
                              float* to) {
  constexpr std::int64_t kAtOnce =
      std::max<std::int64_t>(1, 2 * kLine<Element> / kWidth);
  const std::int64_t whole = std::min(panels.last, from.items / kWidth);
  std::int64_t p = panels.first;
  while (p < whole) {
    const std::int64_t count = std::min(kAtOnce, whole - p);
    pack_whole<kWidth>(from, p * kWidth, count, depth, to);
    p += count;
    to += count * kWidth * depth.count();
  }
  if (p < panels.last) {
    pack_partly<kWidth>(from, p * kWidth, depth, to);
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
