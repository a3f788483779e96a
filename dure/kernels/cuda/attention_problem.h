// Which attention cuDNN may be asked for, as plain data.
//
// cuDNN knows scaled scores with a causal mask, a band around the diagonal, or
// none. Dropout by our masks, biases and everything else that a pattern has
// are left to the kernels beside this. Calls no CUDA.
#pragma once

#include <array>
#include <compare>
#include <optional>
#include <vector>

#include "dure/kernels/attention.h"

namespace dure::kernels {

enum class AttentionPass : std::uint8_t { kForward, kBackward };

// The elements from a sample, head or row of an operand to the next one.
struct HeadSteps {
  std::int64_t sample = 0;
  std::int64_t head = 0;
  std::int64_t row = 0;

  auto operator<=>(const HeadSteps&) const = default;
};

// All that a graph hangs on. y and its gradient are rows of heads, and the
// statistics (B, H, Sq), without gaps.
struct AttentionProblem {
  AttentionPass pass = AttentionPass::kForward;
  DType dtype = DType::kBf16;
  std::int64_t samples = 0;   // B
  std::int64_t queries = 0;   // Sq
  std::int64_t keys = 0;      // Sk
  std::int64_t heads = 0;     // H
  std::int64_t kv_heads = 0;  // G
  std::int64_t head_dim = 0;  // D
  HeadSteps q = {};
  HeadSteps k = {};
  HeadSteps v = {};
  HeadSteps y = {};
  HeadSteps d_q = {};  // these three of the backward
  HeadSteps d_k = {};
  HeadSteps d_v = {};
  AttentionOrder order = AttentionOrder::kCausal;
  std::int64_t window = 0;  // 0: as far as the order shows
  float scale = 1;

  auto operator<=>(const AttentionProblem&) const = default;
};

// The problem of an operation whose types, pattern and memory are such that
// cuDNN may know it. It may refuse the sizes all the same. `op` is checked.
std::optional<AttentionProblem> problem_of(const Attention& op);
std::optional<AttentionProblem> problem_of(const AttentionBackward& op);

// A part of a problem: so many samples, and key heads with their queries'.
struct AttentionSlice {
  std::int64_t samples = 0;
  std::int64_t kv_heads = 0;

  auto operator<=>(const AttentionSlice&) const = default;
};

// Equal parts that a problem may be cut into, the largest first. Samples and
// groups of heads do not meet, so that the parts follow one another.
std::vector<AttentionSlice> slices_of(const AttentionProblem& problem);

// The problem of one of the parts.
AttentionProblem part_of(const AttentionProblem& problem,
                         const AttentionSlice& slice);

}  // namespace dure::kernels
