// The common part of all optimizers' updates: many tensors in one launch, on
// flat spans, with a decision about them in tensor memory.
//
// A span is a rank's shard of a weight, or any part of it: the operations know
// no shapes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dure/kernels/op.h"

namespace dure::kernels {

// The most states of an optimizer for a weight.
inline constexpr std::size_t kMostStates = 2;

enum class CountedBy : std::uint8_t { kThisRank, kAnother };

// The cut of spans that an optimizer needs (optim/optimizer.h). kAnywhere: a
// span is any part of a weight. kWholeWeights: a span is all that the tensor
// axis leaves this rank of a weight.
enum class SpanCut : std::uint8_t { kAnywhere, kWholeWeights };

// Whose samples its gradients come from.
enum class GradientOf : std::uint8_t { kAllRanks, kThisRank };

// An update reads the gradient and the master, and writes the master and the
// weight, which is the master in the type that layers read. In fp32 they share
// memory.
struct UpdateSpan {
  Tensor master;         // (n)   f32, updated
  Tensor weight;         // (n)   f32, overwritten; may be the master
  ConstTensor gradient;  // (n)   f32
  std::array<Tensor, kMostStates> states = {};  // (n) each, updated
  float weight_decay = 0;
  // For an update with sums over whole weights: the weight's row there, and
  // which rank counts the span if several have it.
  std::int32_t row = 0;
  CountedBy counted = CountedBy::kThisRank;
};

// The decision about an update (decide_update.h), in f32:
//
//   control[0]      1, or 0 if the update is skipped: then nothing changes
//   control[1]      the factor of gradients
//   control[2...]   the optimizer's rates of this update
//
inline constexpr std::int64_t kDecisions = 2;

// Throws Error unless the spans are flat, all tensors of a span have one size,
// and each has so many states.
void check_spans(std::span<const UpdateSpan> spans, std::size_t states);

// Throws Error unless there are so many rates.
void check_control(ConstTensor control, std::int64_t rates);

// The bytes that an update of the spans moves: gradients are read, masters and
// so many states are read and written; weights are written unless they are the
// masters.
double update_bytes(std::span<const UpdateSpan> spans, std::size_t states);

// The elements of all spans.
double elements_of(std::span<const UpdateSpan> spans);

}  // namespace dure::kernels
