// Softmax and cross-entropy of a block of rows, with the gradient in place of
// the logits.
//
//   loss[n]     = log sum_v exp(logits[n,v]) - logits[n, target[n]]
//   logits[n,v] = d_loss * (softmax(logits[n])[v] - [v == target[n]])
//
// over the first V columns, the vocabulary; columns past it are padding, which
// take no part and whose gradient is 0. A row with target kIgnore has loss 0
// and gradient 0.
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

inline constexpr std::int32_t kIgnore = -100;  // PyTorch's number

// Whether the gradient is wanted, or the loss alone.
enum class Gradient : std::uint8_t { kNone, kInPlace };

struct CrossEntropy {
  static constexpr const char* kName = "cross_entropy";
  Tensor loss;          // (N)       overwritten
  Tensor logits;        // (N, Vp)   overwritten by the gradient
  ConstTensor targets;  // (N)       i32; Error where not in [0, V) or kIgnore
  std::int64_t vocabulary = 0;  // V <= Vp
  float d_loss = 1;
  Gradient gradient = Gradient::kInPlace;
};

void check(const CrossEntropy& op);
Cost cost(const CrossEntropy& op);
void run(OnCpu, Stream& stream, const CrossEntropy& op);
void run(OnCuda, Stream& stream, const CrossEntropy& op);

}  // namespace dure::kernels
