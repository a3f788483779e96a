// LAMB [1, algorithm 2]: Adam's step, scaled in each weight to a share of the
// weight's own norm; t counts updates from 1.
//
//   g = scale * gradient
//   m = beta1 m + (1 - beta1) g
//   v = beta2 v + (1 - beta2) g^2
//   u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
//         + weight_decay w
//   w = w - learning_rate phi(|w|) / |u| u,    phi(z) = min(max(z, 0), 10)
//
// where |.| is the norm of the whole weight, over all ranks that have a part of
// it. If either norm is 0, the ratio is 1. Weights without decay take part like
// the others, with weight_decay 0.
//
// The paper gives phi without its bounds; these are those of its best known
// implementation, pytorch-lamb.
//
// [1] You et al. 2020, ICLR, arXiv:1904.00962.
#pragma once

#include "dure/kernels/update.h"

namespace dure::kernels {

// Exact sums over whole weights: the squares of w, and the squares of u.
inline constexpr std::int64_t kLambSums = 2;

// Updates m and v, and adds the spans that this rank counts to the sums.
struct LambMeasure {
  static constexpr const char* kName = "lamb_measure";
  // The rates in `control`: learning_rate, 1 / (1 - beta1^t), 1 / sqrt(1 -
  // beta2^t).
  static constexpr std::int64_t kRates = 3;

  Tensor sums;  // (weights, kLambSums, kSumDigits)   i64, added to
  std::span<const UpdateSpan> spans;  // states m, v: updated; w is read
  ConstTensor control;                // (kDecisions + kRates)
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-6F;

  static void visit(auto& op, auto&& tensors) {
    tensors(op.sums, op.spans, op.control);
  }
};

void check(const LambMeasure& op);
Cost cost(const LambMeasure& op);
void run(OnCpu, Stream& stream, const LambMeasure& op);
void run(OnCuda, Stream& stream, const LambMeasure& op);

// Updates w, from LambMeasure's m and v, and the sums of all ranks.
struct LambUpdate {
  static constexpr const char* kName = "lamb_update";

  std::span<const UpdateSpan> spans;  // states m, v: read; w is updated
  ConstTensor control;                // (kDecisions + LambMeasure::kRates)
  ConstTensor sums;                   // (weights, kLambSums, kSumDigits)   i64
  float epsilon = 1e-6F;

  static void visit(auto& op, auto&& tensors) {
    tensors(op.spans, op.control, op.sums);
  }
};

void check(const LambUpdate& op);
Cost cost(const LambUpdate& op);
void run(OnCpu, Stream& stream, const LambUpdate& op);
void run(OnCuda, Stream& stream, const LambUpdate& op);

}  // namespace dure::kernels
