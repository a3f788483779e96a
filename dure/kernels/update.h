// Optimizer updates of many tensors in one launch, on flat spans.
//
// A span is one parameter, or any part of one: the operations know no shapes.
#pragma once

#include <span>

#include "dure/base/exact_sum.h"
#include "dure/kernels/op.h"

namespace dure::kernels {

// AdamW [1, algorithm 2], with bias correction; t counts from 1.
//
//   g  = grad_scale * gradient
//   m  = beta1 m + (1 - beta1) g
//   v  = beta2 v + (1 - beta2) g^2
//   w  = w - learning_rate (m / (1 - beta1^t)
//            / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay w)
//
// [1] Loshchilov and Hutter 2019, arXiv:1711.05101.
struct AdamWSpan {
  Tensor weight;         // (n)   updated
  ConstTensor gradient;  // (n)
  Tensor momentum;       // (n)   updated
  Tensor variance;       // (n)   updated
  float weight_decay = 0;
};

struct AdamW {
  static constexpr const char* kName = "adamw";
  std::span<const AdamWSpan> spans;
  float learning_rate = 0;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  std::int64_t step = 1;  // t
  float grad_scale = 1;   // from clipping by the global norm
};

void check(const AdamW& op);
Cost cost(const AdamW& op);
void run(OnCpu, Stream& stream, const AdamW& op);
void run(OnCuda, Stream& stream, const AdamW& op);

// Stochastic gradient descent with momentum [2], weight decay decoupled as
// AdamW's:
//
//   m = momentum m + grad_scale * gradient      (m = g at momentum 0)
//   w = w - learning_rate (m + weight_decay w)
//
// [2] Sutskever et al. 2013, ICML, eq. 1 and 2.
struct SgdSpan {
  Tensor weight;         // (n)   updated
  ConstTensor gradient;  // (n)
  Tensor momentum = {};  // (n)   updated; empty at momentum 0
  float weight_decay = 0;
};

struct Sgd {
  static constexpr const char* kName = "sgd";
  std::span<const SgdSpan> spans;
  float learning_rate = 0;
  float momentum = 0;
  float grad_scale = 1;
};

void check(const Sgd& op);
Cost cost(const Sgd& op);
void run(OnCpu, Stream& stream, const Sgd& op);
void run(OnCuda, Stream& stream, const Sgd& op);

// Sums of squares, one of each span: the global norm, and where a non-finite
// value sits.
//
// Squares are exact in f64. Groups of kGroup elements, counted from the start
// of a span, are added up in f64 in a fixed order, and the groups without
// rounding: a span cut at multiples of kGroup has parts whose sums add up to
// the whole's, to the bit, as has any number of threads on any instruction set.
struct SquaredNorm {
  static constexpr const char* kName = "squared_norm";
  static constexpr std::int64_t kGroup = 16;
  std::span<ExactSum> sums;  // overwritten, one a span
  std::span<const ConstTensor> spans;
};

void check(const SquaredNorm& op);
Cost cost(const SquaredNorm& op);
void run(OnCpu, Stream& stream, const SquaredNorm& op);
void run(OnCuda, Stream& stream, const SquaredNorm& op);

}  // namespace dure::kernels
