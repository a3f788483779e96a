// Stochastic gradient descent with momentum [1, eq. 1 and 2], and weight decay
// decoupled as in AdamW:
//
//   m = momentum m + scale * gradient      (m = g at momentum 0)
//   w = w - learning_rate (m + weight_decay w)
//
// [1] Sutskever et al. 2013, ICML.
#pragma once

#include "dure/kernels/update.h"

namespace dure::kernels {

struct Sgd {
  static constexpr const char* kName = "sgd";
  static constexpr std::int64_t kRates = 1;  // learning_rate

  std::span<const UpdateSpan> spans;  // state m; none at momentum 0
  ConstTensor control;                // (kDecisions + kRates)
  float momentum = 0;

  static void visit(auto& op, auto&& tensors) { tensors(op.spans, op.control); }
};

void check(const Sgd& op);
Cost cost(const Sgd& op);
void run(OnCpu, Stream& stream, const Sgd& op);
void run(OnCuda, Stream& stream, const Sgd& op);

}  // namespace dure::kernels
