// The activation memory of a training step, in bytes, before it is run.
//
// The first table counts what a block saves with each Recompute, in elements,
// for N rows on each of T tensor ranks. A stream has n rows: n = N / T if its
// rows are cut, else n = N. C is the hidden size, A = H D the width of
// attention, G the number of key-value heads of D, F the feed-forward's width,
// and U the width that the activation reads: F, or 2 F for SwiGLU.
//
//                none                    selective             full
//   input        n C                     n C                   n C, or N C / T
//   norms        2 n C                   -                     -
//   statistics   2 s n                   -                     -
//   qkv          N (H + 2 G) D / T       the same              -
//   attended     N H D / T               the same              -
//   log sums     N H / T                 the same              -
//   mid          n C                     n C                   -
//   up           N U / T                 the same              -
//   active       N F / T                 -                     -
//
// s is the number of statistics a row, 2 for LayerNorm and 1 for RMSNorm;
// statistics and log sums are f32, whatever the type of the rest. If T exceeds
// the key-value heads, each rank has one. Every tensor takes whole blocks of 64
// bytes (tensor/arena.h).
//
// Input and mid are of the residual stream, which may have a type of its own.
//
// If the head keeps the logits (Logits), it has N Vp / T gradients of them,
// where Vp is the padded vocabulary.
//
// For GPT, with C = H D, G = H and F = 4 C, "none" is 16 N C elements and
// little more. In [1, section 4.1], in 2 bytes each, a block of s b rows of h
// takes
//
//   none                       s b h (34 + 5 a s / h)
//   on t tensor ranks          s b h (10 + 24 / t + 5 a s / (h t))
//   and with cut rows          s b h / t (34 + 5 a s / h)
//
// for a heads. Ours has no 5 a s / h, because the (S, S) matrices of attention
// are never in memory, and 32 for 34, because dropout keeps no masks.
//
// If the gradients of a block's matrices are deferred
// (nn/weight_gradient_store.h), both factors of each product stay until they
// are made, whatever was saved before. They are, in elements:
//
//   norms        2 n C                   the inputs of qkv and up
//   branches     2 n C                   the gradients of what projection and
//                                        down put onto the stream
//   qkv          N (H + 2 G) D / T       its gradient
//   attended     N H D / T
//   up           N U / T                 its gradient, in its place
//   active       N F / T
//
// This is all of "none" but statistics and log sums, as the branches are as
// large as input and mid: 16 N C for GPT, the 32 s b h bytes of [2, table 1].
//
// [1] Korthikanti et al. 2022, arXiv:2205.05198.
// [2] Qi et al. 2024, arXiv:2401.10241.
#pragma once

#include <cstdint>
#include <optional>

#include "dure/model/activation_policy.h"
#include "dure/model/config.h"
#include "dure/parallel/tensor/tensor_axis.h"
#include "dure/tensor/dtype.h"

namespace dure::model {

// A training step, as one rank sees it.
struct StepShape {
  std::int64_t rows = 0;  // N: samples of a micro-batch x their tokens
  std::int64_t tensor = 1;
  parallel::Rows cut = parallel::Rows::kWhole;
  ActivationPolicy activation_policy = {};
  DType activations;
  std::optional<DType> residual = {};  // of the stream; none: as activations
};

// The tensors of one block, in bytes.
struct BlockActivations {
  std::int64_t input = 0;
  std::int64_t norms = 0;
  std::int64_t statistics = 0;
  std::int64_t qkv = 0;
  std::int64_t attended = 0;
  std::int64_t log_sums = 0;
  std::int64_t mid = 0;
  std::int64_t up = 0;
  std::int64_t active = 0;

  std::int64_t total() const { return kept() + cheap(); }
  // The part that Recompute::kSelective keeps, and the part that it makes
  // again.
  std::int64_t kept() const {
    return input + qkv + attended + log_sums + mid + up;
  }
  std::int64_t cheap() const { return norms + statistics + active; }
  // The part that deferred gradients hold. Branches are as large as norms.
  std::int64_t deferred() const {
    return 2 * norms + qkv + attended + up + active;
  }
};

// The bytes of all that a block's backward reads. `config` must be resolved.
BlockActivations block_activations(const ModelConfig& config,
                                   const StepShape& step);

// The bytes kept from a block's forward to its backward, on the first rank,
// which keeps no less than any other.
std::int64_t kept_bytes(const ModelConfig& config, const StepShape& step);

// The bytes that a block's WeightGradientStore holds (Category::kActivations)
// from the block's backward, with nn::Context::deferred, until it is run.
std::int64_t deferred_bytes(const ModelConfig& config, const StepShape& step);

// The terms of the sums over a step or a schedule.
struct ActivationSizes {
  std::int64_t stream = 0;      // (n, C)
  std::int64_t statistics = 0;  // of one norm
  std::int64_t logits = 0;      // if they are kept
  std::int64_t step = 0;        // independent of what is in flight
  std::int64_t micro_batch = 0;
  std::int64_t block = 0;    // all that a block's forward writes
  std::int64_t kept = 0;     // of that, kept_bytes()
  std::int64_t running = 0;  // what its backward makes again
};
ActivationSizes activation_sizes(const ModelConfig& config,
                                 const StepShape& step);

// The peak of Category::kActivations in a step, with the micro-batch itself,
// the tensors around the blocks, and the block that runs.
std::int64_t peak_activation_bytes(const ModelConfig& config,
                                   const StepShape& step);

// The published formulas above, for sequences of S tokens.
double published_block_bytes(const ModelConfig& config,
                             const StepShape& step,
                             std::int64_t sequence);

}  // namespace dure::model
