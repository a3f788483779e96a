// What the updates of all optimizers have in common: many tensors in one
// launch, on flat spans, and what decides about them in tensor memory.
//
// A span is what a rank owns of a weight, or any part of that: the operations
// know no shapes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dure/kernels/op.h"

namespace dure::kernels {

// States that an optimizer has of a weight, at most.
inline constexpr std::size_t kMostStates = 2;

enum class CountedBy : std::uint8_t { kThisRank, kAnother };

// What an optimizer wants of its spans (optim/optimizer.h). kAnywhere: a span
// is any part of a weight. kWholeWeights: each is all of a weight that the
// tensor axis leaves this rank.
enum class SpanCut : std::uint8_t { kAnywhere, kWholeWeights };

// Whose samples its gradients are of.
enum class GradientOf : std::uint8_t { kAllRanks, kThisRank };

// An update reads the gradient and the master, and writes the master and the
// weight, which is the master in the type that layers read. In fp32 they are
// the same memory.
struct UpdateSpan {
  Tensor master;         // (n)   f32, updated
  Tensor weight;         // (n)   f32, overwritten; may be the master
  ConstTensor gradient;  // (n)   f32
  std::array<Tensor, kMostStates> states = {};  // (n) each, updated
  float weight_decay = 0;
  // Of an update that needs sums over whole weights: their row, and who counts
  // the span there, where several ranks have it.
  std::int32_t row = 0;
  CountedBy counted = CountedBy::kThisRank;
};

// What an update reads of the decision about it (decide_update.h): f32,
//
//   control[0]      1, or 0 where the update is left out: then nothing changes
//   control[1]      what gradients are multiplied by
//   control[2...]   the optimizer's rates of this update
//
inline constexpr std::int64_t kDecisions = 2;

// Throws Error unless the spans are flat, of one size each, and have so many
// states.
void check_spans(std::span<const UpdateSpan> spans, std::size_t states);

// Throws Error unless it has so many rates.
void check_control(ConstTensor control, std::int64_t rates);

// Bytes that an update of the spans moves: gradients are read, masters and so
// many states are read and written; weights are written where they are not the
// masters.
double update_bytes(std::span<const UpdateSpan> spans, std::size_t states);

// Elements of all spans.
double elements_of(std::span<const UpdateSpan> spans);

}  // namespace dure::kernels
