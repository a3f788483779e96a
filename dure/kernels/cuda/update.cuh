// An optimizer's update of many spans in few launches: a rule changes f32
// values and knows no types (kernels/update.h).
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "dure/kernels/cuda/any_floats.cuh"
#include "dure/kernels/cuda/flat.cuh"
#include "dure/kernels/cuda/philox.cuh"
#include "dure/kernels/update.h"

namespace dure::kernels {

// Elements that a thread changes at once, where they lie so.
inline constexpr int kUpdatePack = 4;

// A part of a span within one ElementBlock, as a kernel's argument.
struct UpdatePiece {
  AnyFloats master;
  AnyFloats weight;  // absent if it is the master
  AnyFloats gradient;
  AnyFloats states[kMostStates];
  long long* first_overflow;  // may be absent
  std::int64_t n;
  std::int64_t first;  // its first element within the span
  float weight_decay;
  std::int32_t row;
  CountedBy counted;
  bool is_aligned;
  PhiloxKey key;  // of the rounding
  ElementBlock block;
};

inline constexpr int kPieces = 16;
struct UpdatePieces {
  UpdatePiece of[kPieces];
};

inline UpdatePiece piece_of(const UpdateSpan& span,
                            std::int64_t first,
                            std::int64_t last) {
  const bool is_apart = span.weight.bytes() != span.master.bytes();
  UpdatePiece piece = {
      .master = AnyFloats(span.master, first),
      .weight = is_apart ? AnyFloats(span.weight, first) : AnyFloats(),
      .gradient = AnyFloats(span.gradient, first),
      .states = {AnyFloats(span.states[0], first),
                 AnyFloats(span.states[1], first)},
      .first_overflow = is_apart && span.first_overflow
                            ? reinterpret_cast<long long*>(
                                  span.first_overflow.data<std::int64_t>())
                            : nullptr,
      .n = last - first,
      .first = first,
      .weight_decay = span.weight_decay,
      .row = span.row,
      .counted = span.counted,
      .is_aligned = true,
      .key = {},
      .block = {}};
  for (const AnyFloats& operand : {piece.master,
                                   piece.weight,
                                   piece.gradient,
                                   piece.states[0],
                                   piece.states[1]}) {
    piece.is_aligned = piece.is_aligned && operand.is_aligned(kUpdatePack);
  }
  return piece;
}

// Whether the random numbers of its rounding are used.
inline bool is_rounded(const UpdateSpan& span) {
  const auto is_bf16 = [](const Tensor& x) {
    return x.dtype() == DType::kBf16;
  };
  return span.rounding &&
         (is_bf16(span.master) || std::ranges::any_of(span.states, is_bf16));
}

// Spans as pieces, each within one block of the numbers that round it.
inline std::vector<UpdatePiece> pieces_of(std::span<const UpdateSpan> spans) {
  std::vector<UpdatePiece> pieces;
  for (const UpdateSpan& span : spans) {
    const std::int64_t n = span.gradient.elements();
    if (!is_rounded(span)) {
      pieces.push_back(piece_of(span, 0, n));
      continue;
    }
    const auto& blocks = span.rounding->blocks;
    for (std::size_t b = 0; b < blocks.size() && blocks[b].begin < n; ++b) {
      const std::int64_t last =
          b + 1 < blocks.size() ? std::min(blocks[b + 1].begin, n) : n;
      UpdatePiece piece = piece_of(span, blocks[b].begin, last);
      piece.key = span.rounding->stream.key();
      piece.block = blocks[b];
      pieces.push_back(piece);
    }
  }
  std::erase_if(pieces, [](const UpdatePiece& piece) { return piece.n == 0; });
  return pieces;
}

// Stores what an update has changed: bf16 is rounded stochastically.
template <int kCount>
__device__ void store_state(const UpdatePiece& piece,
                            const AnyFloats& to,
                            std::int64_t i,
                            const Floats<kCount>& values,
                            std::uint64_t major) {
  if (to.dtype != DType::kBf16) {
    return to.store(i, values);
  }
  for (int c = 0; c < kCount; ++c) {
    const auto global =
        static_cast<std::uint64_t>(piece.block.global(piece.first + i + c));
    static_cast<Bf16*>(to.data)[i + c] =
        to_bf16_stochastic(values.of[c], philox_word(piece.key, global, major));
  }
}

// Notes masters whose weight is not finite.
template <int kCount>
__device__ void note_overflow(const UpdatePiece& piece,
                              const Floats<kCount>& masters) {
  // Half a step beyond the largest finite number of the type.
  const float limit =
      piece.weight.dtype == DType::kF16 ? 65520.0F : 0x1.FFp127F;
  bool is_finite = true;
  for (int c = 0; c < kCount; ++c) {
    is_finite = is_finite && fabsf(masters.of[c]) < limit;
  }
  if (!is_finite && piece.first_overflow != nullptr) {
    atomicMin(piece.first_overflow, static_cast<long long>(piece.row));
  }
}

// The numbers of an element that a rule reads and changes.
struct UpdateValues {
  float w;
  float g;
  float states[kMostStates];
};

// Which tensors a rule reads, and which it changes.
struct RuleUse {
  bool changes_master = true;
  bool reads_gradient = true;
  int states = 0;
  bool changes_states = true;
};

// Changes elements i, i + 1, ... of the piece.
template <int kCount, typename Rule>
__device__ void update_pack(const UpdatePiece& piece,
                            const Rule& rule,
                            std::int64_t i,
                            std::uint64_t update) {
  constexpr RuleUse kUse = Rule::kUse;
  Floats<kCount> w = piece.master.load<kCount>(i);
  Floats<kCount> g = {};
  Floats<kCount> states[kMostStates] = {};
  if (kUse.reads_gradient) {
    g = piece.gradient.load<kCount>(i);
  }
  for (int k = 0; k < kUse.states; ++k) {
    states[k] = piece.states[k].load<kCount>(i);
  }
  for (int c = 0; c < kCount; ++c) {
    UpdateValues values = {
        w.of[c], g.of[c], {states[0].of[c], states[1].of[c]}};
    rule(values);
    w.of[c] = values.w;
    states[0].of[c] = values.states[0];
    states[1].of[c] = values.states[1];
  }
  for (int k = 0; kUse.changes_states && k < kUse.states; ++k) {
    store_state(piece,
                piece.states[k],
                i,
                states[k],
                rounding_major(update, kRoundedStates + k));
  }
  if (kUse.changes_master) {
    store_state(
        piece, piece.master, i, w, rounding_major(update, kRoundedMaster));
    if (piece.weight.data != nullptr) {
      piece.weight.store(i, w);
      note_overflow(piece, w);
    }
  }
}

// The blocks of blockIdx.y have piece blockIdx.y. A rule is made from the
// numbers of the update and the piece.
template <typename Rule>
__global__ void update_kernel(UpdatePieces pieces,
                              const float* control,
                              typename Rule::Settings settings) {
  if (control[kIsUpdated] == 0) {
    return;
  }
  const UpdatePiece& piece = pieces.of[blockIdx.y];
  const Rule rule(settings, control, piece);
  const std::uint64_t update = __float_as_uint(control[kUpdateNumber]);
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x * kUpdatePack;
  for (std::int64_t i = flat_index() * kUpdatePack; i < piece.n; i += step) {
    if (piece.is_aligned && i + kUpdatePack <= piece.n) {
      update_pack<kUpdatePack>(piece, rule, i, update);
      continue;
    }
    for (int c = 0; c < kUpdatePack && i + c < piece.n; ++c) {
      update_pack<1>(piece, rule, i + c, update);
    }
  }
}

// Calls launch(pieces, shape) for groups of pieces. A block has at most
// `elements` of a piece at once, and goes on with more.
template <typename Launch>
void for_each_group(std::span<const UpdateSpan> spans,
                    std::int64_t elements,
                    const Launch& launch) {
  constexpr std::int64_t kMostBlocks = 1024;
  const std::vector<UpdatePiece> all = pieces_of(spans);
  for (std::size_t first = 0; first < all.size(); first += kPieces) {
    UpdatePieces group = {};
    std::int64_t longest = 1;
    const std::size_t count =
        std::min<std::size_t>(kPieces, all.size() - first);
    for (std::size_t p = 0; p < count; ++p) {
      group.of[p] = all[first + p];
      longest = std::max(longest, all[first + p].n);
    }
    const std::int64_t blocks =
        std::min((longest + elements - 1) / elements, kMostBlocks);
    launch(group,
           LaunchShape{.grid = dim3(static_cast<unsigned>(blocks),
                                    static_cast<unsigned>(count)),
                       .block = kFlatThreads});
  }
}

template <typename Rule>
void launch_update(Stream& stream,
                   std::span<const UpdateSpan> spans,
                   const ConstTensor& control,
                   const typename Rule::Settings& settings) {
  for_each_group(spans,
                 std::int64_t{kFlatThreads} * kUpdatePack,
                 [&](const UpdatePieces& pieces, const LaunchShape& shape) {
                   launch_kernel<update_kernel<Rule>>(
                       stream, shape, pieces, control.data<float>(), settings);
                 });
}

}  // namespace dure::kernels
