// A span of an update as blocks of f32: optimizers compute on these and do not
// know in which types masters, weights, gradients and states are.
//
// Tensors of f32 are their own blocks. Others are widened to a block on the
// stack, and stored back rounded: masters and states stochastically, weights to
// nearest. Where all are f32, one block is all there is, and nothing is copied.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_UPDATE_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_UPDATE_BLOCK_INL_H_
#undef DURE_KERNELS_CPU_UPDATE_BLOCK_INL_H_
#else
#define DURE_KERNELS_CPU_UPDATE_BLOCK_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "dure/kernels/cpu/philox-inl.h"
#include "dure/kernels/cpu/widen-inl.h"
#include "dure/kernels/update.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// How an operation uses a tensor of the spans.
enum class Use : std::uint8_t { kNone, kRead, kUpdate };

struct SpanUse {
  Use master = Use::kNone;
  Use gradient = Use::kNone;
  std::array<Use, kMostStates> states = {};
};

// Elements [first, first + count) of a span. Tensors that are not used are
// null.
struct UpdateBlock {
  std::int64_t first;
  std::int64_t count;
  float* master;
  const float* gradient;
  std::array<float*, kMostStates> states;
};

// Blocks of all tensors, and the random words of one, stay in the L1 cache.
inline constexpr std::int64_t kBlockElements = 256;

// Draws a word for each element of a block of the span.
inline void draw_for_rounding(const StochasticRounding& rounding,
                              Range block,
                              std::uint64_t major,
                              std::uint32_t* words) {
  HWY_ALIGN std::uint32_t buffer[words_for(kBlockElements)];
  for (std::int64_t i = block.first; i < block.last;) {
    const ElementRun run = run_at(rounding.blocks, i);
    const std::int64_t count = std::min(run.length, block.last - i);
    const std::uint32_t* const drawn =
        draw_words(rounding.stream,
                   static_cast<std::uint64_t>(run.global),
                   count,
                   buffer,
                   major);
    words = std::copy(drawn, drawn + count, words);
    i += count;
  }
}

// Stores a block of a bf16 tensor after its update.
inline void store_rounded(const float* values,
                          const StochasticRounding& rounding,
                          Range block,
                          std::uint64_t major,
                          const Tensor& y) {
  HWY_ALIGN std::uint32_t words[kBlockElements + kLanes];
  draw_for_rounding(rounding, block, major, words);
  Bf16* const to = y.data<Bf16>() + block.first;
  for_each_vector(0, block.count(), [&](std::int64_t i, auto part) HWY_ATTR {
    part.store(round_stochastically(part.load(values + i),
                                    hn::LoadU(UnsignedBits(), words + i)),
               to + i);
  });
}

// The block of a tensor: its own memory or the buffer.
template <typename AnyTensor>
HWY_INLINE auto open_block(const AnyTensor& x,
                           Use use,
                           Range block,
                           float* buffer)
    -> decltype(x.template data<float>()) {
  if (use == Use::kNone) {
    return nullptr;
  }
  if (x.dtype() == DType::kF32) {
    return x.template data<float>() + block.first;
  }
  widen(x, block, buffer);
  return buffer;
}

inline bool is_weight_apart(const UpdateSpan& span) {
  return span.weight.bytes() != span.master.bytes();
}

// Whether the operation can work in the tensors' own memory alone.
inline bool is_all_f32(const UpdateSpan& span, const SpanUse& use) {
  const auto is_f32 = [](const ConstTensor& x, Use of) {
    return of == Use::kNone || x.dtype() == DType::kF32;
  };
  bool all = is_f32(span.master, use.master) &&
             is_f32(span.gradient, use.gradient) &&
             !(use.master == Use::kUpdate && is_weight_apart(span));
  for (std::size_t k = 0; k < kMostStates; ++k) {
    all = all && is_f32(span.states[k], use.states[k]);
  }
  return all;
}

// The least number that is infinite when rounded to the type of 16 bits: half a
// step beyond the largest finite one.
constexpr float overflows_from(DType dtype) {
  return dtype == DType::kF16 ? 65520.0F : 0x1.FFp127F;
}

// Whether all values stay finite in the type. NaN is greater than infinity,
// and that than all numbers, if the bits of magnitudes are compared.
inline bool stay_finite(const float* values, std::int64_t count, DType dtype) {
  const SignedBits d;
  auto most = hn::Zero(d);
  for_each_vector(0, count, [&](std::int64_t i, auto part) HWY_ATTR {
    const Vector magnitude = hn::Abs(part.load(values + i));
    most = hn::Max(most, hn::BitCast(d, magnitude));
  });
  const auto limit = hn::BitCast(d, broadcast(overflows_from(dtype)));
  return hn::AllTrue(d, hn::Lt(most, limit));
}

// Only a weight that has overflowed costs more than the look at its block.
inline void note_overflow(const UpdateSpan& span,
                          const float* master,
                          std::int64_t count) {
  if (!span.first_overflow || stay_finite(master, count, span.weight.dtype())) {
    return;
  }
  const std::atomic_ref<std::int64_t> first(
      *span.first_overflow.data<std::int64_t>());
  std::int64_t before = first.load();
  while (span.row < before && !first.compare_exchange_weak(before, span.row)) {
  }
}

// Stores what was updated and has not f32 memory of its own.
inline void close_block(const UpdateSpan& span,
                        const SpanUse& use,
                        const UpdateBlock& x,
                        std::uint64_t update) {
  const Range block = {x.first, x.first + x.count};
  const auto close = [&](const Tensor& y, Use of, const float* values, int k) {
    if (of == Use::kUpdate && y.dtype() != DType::kF32) {
      store_rounded(
          values, *span.rounding, block, rounding_major(update, k), y);
    }
  };
  close(span.master, use.master, x.master, kRoundedMaster);
  for (std::size_t k = 0; k < kMostStates; ++k) {
    close(span.states[k],
          use.states[k],
          x.states[k],
          kRoundedStates + static_cast<int>(k));
  }
  if (use.master == Use::kUpdate && is_weight_apart(span)) {
    narrow(x.master, block, span.weight);
    note_overflow(span, x.master, x.count);
  }
}

// Calls body(block) for blocks that divide the part of the span, each a
// multiple of 16 elements but the last.
template <typename Body>
HWY_INLINE void for_each_block(ConstTensor control,
                               const UpdateSpan& span,
                               const SpanUse& use,
                               Range part,
                               const Body& body) {
  HWY_ALIGN float master[kBlockElements];
  HWY_ALIGN float gradient[kBlockElements];
  HWY_ALIGN float states[kMostStates][kBlockElements];
  const std::int64_t most =
      is_all_f32(span, use) ? part.count() : kBlockElements;
  for (std::int64_t first = part.first; first < part.last; first += most) {
    const Range block = {first, std::min(first + most, part.last)};
    UpdateBlock x = {
        .first = first,
        .count = block.count(),
        .master = open_block(span.master, use.master, block, master),
        .gradient = open_block(span.gradient, use.gradient, block, gradient),
        .states = {}};
    for (std::size_t k = 0; k < kMostStates; ++k) {
      x.states[k] = open_block(span.states[k], use.states[k], block, states[k]);
    }
    body(x);
    close_block(span, use, x, update_in(control));
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
