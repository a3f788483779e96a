// AdamW [1, algorithm 2], with bias correction; t counts updates from 1.
//
//   g  = scale * gradient
//   m  = beta1 m + (1 - beta1) g
//   v  = beta2 v + (1 - beta2) g^2
//   w  = w - learning_rate (m / (1 - beta1^t)
//            / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay w)
//
// [1] Loshchilov and Hutter 2019, arXiv:1711.05101.
#pragma once

#include "dure/kernels/update.h"

namespace dure::kernels {

struct AdamW {
  static constexpr const char* kName = "adamw";
  // The rates in `control`: learning_rate, learning_rate / (1 - beta1^t), and 1
  // / sqrt(1 - beta2^t).
  static constexpr std::int64_t kRates = 3;

  std::span<const UpdateSpan> spans;  // states m, v
  ConstTensor control;                // (kDecisions + kRates)
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;

  static void visit(auto& op, auto&& tensors) { tensors(op.spans, op.control); }
};

void check(const AdamW& op);
Cost cost(const AdamW& op);
void run(OnCpu, Stream& stream, const AdamW& op);
void run(OnCuda, Stream& stream, const AdamW& op);

}  // namespace dure::kernels
