// The choice of what a forward saves for its backward: memory against work.
#pragma once

#include <cstdint>

namespace dure::model {

//   kNone        all that the backward reads
//   kSelective   not what is cheap to make again and large to keep: the outputs
//                of norms and of the activation, which no matrix product made.
//                In [1, section 5] this is attention's (S, S) matrices; ours
//                never stand in memory (kernels/attention.h)
//   kFull        the block's input alone: its forward is run again [2]
//
// [1] Korthikanti et al. 2022, arXiv:2205.05198.
// [2] Chen et al. 2016, arXiv:1604.06174.
enum class Recompute : std::uint8_t { kNone, kSelective, kFull };

// How an input that is the same on every tensor rank is saved: whole by each of
// them, or a part of its rows by each ("partitioned activation checkpoints",
// [3, section 6.1]).
//
// [3] Rajbhandari et al. 2020, arXiv:1910.02054.
enum class CheckpointedInputs : std::uint8_t { kWhole, kParts };

// The treatment of the logits, (N, V), in a training pass (nn/head_loss.h).
//
// clang-format off
//   kBlocks    used up one block of rows at a time: the head makes its
//              gradients within its forward
//   kSaved     their gradient is saved, and the head's backward makes its own
//   kDeferred  as kSaved; if the backward is split, its second half makes the
//              weight's gradient (nn/weight_gradient_store.h)
//   kGiven     the forward ends with the logits, and the backward begins with
//              their gradient: the caller takes the loss (Batch::logits)
// clang-format on
enum class Logits : std::uint8_t { kBlocks, kSaved, kDeferred, kGiven };

struct ActivationPolicy {
  Recompute recompute = Recompute::kNone;  // of blocks
  CheckpointedInputs checkpoints =
      CheckpointedInputs::kWhole;  // of Recompute::kFull
  Logits logits = Logits::kBlocks;
  bool operator==(const ActivationPolicy&) const = default;
};

}  // namespace dure::model
