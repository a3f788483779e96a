// Lion [1, algorithm 2]: a weight moves by the rate, whatever the size of its
// gradient, in the direction of a mean that weights the newest gradient more.
//
//   g = scale * gradient
//   w = w - learning_rate (sign(beta1 m + (1 - beta1) g) + weight_decay w)
//   m = beta2 m + (1 - beta2) g
//
// The sign of 0 is 0.
//
// [1] Chen et al. 2023, arXiv:2302.06675.
#pragma once

#include "dure/kernels/update.h"

namespace dure::kernels {

struct Lion {
  static constexpr const char* kName = "lion";
  static constexpr std::int64_t kRates = 1;  // learning_rate

  std::span<const UpdateSpan> spans;  // state m
  ConstTensor control;                // (kDecisions + kRates)
  float beta1 = 0.9F;
  float beta2 = 0.99F;

  static void visit(auto& op, auto&& tensors) { tensors(op.spans, op.control); }
};

void check(const Lion& op);
Cost cost(const Lion& op);
void run(OnCpu, Stream& stream, const Lion& op);
void run(OnCuda, Stream& stream, const Lion& op);

}  // namespace dure::kernels
