// The common part of all optimizers' updates: many tensors in one launch, on
// flat spans, with a decision about them in tensor memory.
//
// A span is a rank's shard of a weight, or any part of it: the operations know
// no shapes.
//
// Arithmetic is in f32, whatever the types. An f32 master is kept as it is, and
// the weight is the master rounded to nearest. A bf16 master or state has no
// f32 beside it, and changes that are smaller than half a step would all be
// lost by rounding to nearest. So it is rounded stochastically [1, 2], by
// random numbers that depend on the element's place in the whole weight, so
// that a layout does not change the result.
//
// [1] Gupta et al. 2015, ICML, arXiv:1502.02551.
// [2] Zamirai et al. 2020, arXiv:2010.06192.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "dure/base/random.h"
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

// Where a span's elements from `begin` on, up to the next block's, are in the
// whole weight: in rows of so many columns, as part of rows that are `stride`
// elements apart. With i >= begin, element i is at
//
//   global(i) = first + j / columns * stride + j % columns,   j = i - begin
//
// The default is the whole weight from `first` on.
struct ElementBlock {
  std::int64_t begin = 0;
  std::int64_t first = 0;
  std::int64_t columns = 1;
  std::int64_t stride = 1;

  constexpr std::int64_t global(std::int64_t i) const {
    const std::int64_t j = i - begin;
    return first + j / columns * stride + j % columns;
  }
  bool operator==(const ElementBlock&) const = default;
};

// Elements that are neighbours both in a span and in the whole weight.
struct ElementRun {
  std::int64_t local = 0;
  std::int64_t global = 0;
  std::int64_t length = 0;
};

// The run from element i of a span on. The blocks ascend, and the first begins
// at 0.
ElementRun run_at(std::span<const ElementBlock> blocks, std::int64_t i);

// Adds a span's next run (of mesh::LocalPart's stretches), which begins where
// the last one ended. Runs in a regular pattern become one block.
void add_run(std::vector<ElementBlock>& blocks, ElementRun run);

// The random numbers of a span's bf16 master and states. The blocks outlive the
// launch.
struct StochasticRounding {
  RandomStream stream;  // rounding_stream(seed, the weight's name)
  std::span<const ElementBlock> blocks;
};

RandomStream rounding_stream(std::uint64_t seed, std::string_view weight);

// Element `global` of a weight is rounded in an update, counted from 1, by the
// word stream.bits(global, rounding_major(update, tensor)): the tensor is
// kRoundedMaster, or kRoundedStates + k for state k.
inline constexpr int kRoundedMaster = 0;
inline constexpr int kRoundedStates = 1;
constexpr std::uint64_t rounding_major(std::uint64_t update, int tensor) {
  return update * (kRoundedStates + kMostStates) +
         static_cast<std::uint64_t>(tensor);
}

// An update reads the gradient and the master, and writes the master and the
// weight, which is the master in the type that layers read. In fp32 they share
// memory, and also where a bf16 weight has no f32 master. A master may outgrow
// its weight's type, of which the host is told by first_overflow.
struct UpdateSpan {
  Tensor master;         // (n)   f32, or bf16 if it is the weight; updated
  Tensor weight;         // (n)   f32, bf16, f16; overwritten; may be the master
  ConstTensor gradient;  // (n)   f32, bf16, f16
  std::array<Tensor, kMostStates> states = {};  // (n) each   f32, bf16; updated
  float weight_decay = 0;
  // The weight's number. For an update with sums over whole weights it is its
  // row there, and `counted` says which rank counts the span if several have
  // it.
  std::int32_t row = 0;
  CountedBy counted = CountedBy::kThisRank;
  // A bf16 master or state needs it; others do not use it.
  std::optional<StochasticRounding> rounding = {};
  // (1) i64, updated: the least of its value and the rows of the spans whose
  // weight, beside its master, is not finite after the update. It may be null.
  Tensor first_overflow = {};

  static void visit(auto& op, auto&& tensors) {
    tensors(op.master,
            op.weight,
            op.gradient,
            op.states[0],
            op.states[1],
            op.first_overflow);
  }
};

// The decision about an update (decide_update.h), in f32:
//
//   control[kIsUpdated]     1, or 0 if the update is skipped: nothing changes
//   control[kFactor]        the factor of gradients
//   control[kUpdateNumber]  the number of the update, counted from 1: the bits
//                           of a 32-bit whole number, for update_in()
//   control[kDecisions...]  the optimizer's rates of this update
//
inline constexpr std::int64_t kIsUpdated = 0;
inline constexpr std::int64_t kFactor = 1;
inline constexpr std::int64_t kUpdateNumber = 2;
inline constexpr std::int64_t kDecisions = 3;

constexpr float update_number(std::int64_t update) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(update));
}
// For code that may read the tensor's memory.
constexpr std::uint64_t update_in(const ConstTensor& control) {
  return std::bit_cast<std::uint32_t>(control.data<float>()[kUpdateNumber]);
}

// Throws Error unless the spans are flat, all tensors of a span have one size
// and types as above, and each has so many states.
void check_spans(std::span<const UpdateSpan> spans, std::size_t states);

// Throws Error unless there are so many rates.
void check_control(ConstTensor control, std::int64_t rates);

// The bytes that an update of the spans moves: gradients are read, masters and
// so many states are read and written; weights are written unless they are the
// masters.
double update_bytes(std::span<const UpdateSpan> spans, std::size_t states);

// The part of it that writes weights beside their masters.
double weight_bytes(std::span<const UpdateSpan> spans);

// The elements of all spans.
double elements_of(std::span<const UpdateSpan> spans);

}  // namespace dure::kernels
