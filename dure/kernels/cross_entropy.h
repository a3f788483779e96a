// Softmax and cross-entropy of a block of rows, whose columns may be sharded
// over ranks, and its gradient in place of the logits.
//
//   loss[n]     = w[n] (log sum_v exp(logits[n,v]) - logits[n, target[n]])
//   logits[n,v] = d_loss[0] w[n] (softmax(logits[n])[v] - [v == target[n]])
//
// where w is 1 unless weights are given. The sums go over the first V columns,
// the vocabulary. Columns past it are padding; they are ignored, and their
// gradient is 0. A row with target kIgnore has loss 0 and gradient 0.
//
// A rank has the columns [first_column, first_column + V'). The logits never
// leave it; ranks exchange three numbers a row [1, section 3]:
//
//   LogitStatistics        own maximum m', s = sum_v exp(x_v - m'), x_target
//   all_reduce             m = max m'
//   RescaleSums            s = s exp(m' - m)
//   all_reduce             sum of s, sum of x_target
//   CrossEntropyLoss       w (log s + m - x_target)
//   CrossEntropyGradient   exp(x - m) d_loss w / s
//
// [1] Shoeybi et al. 2019, arXiv:1909.08053.
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

inline constexpr std::int32_t kIgnore = -100;  // PyTorch's number

// Statistics of this rank's columns, which may all be padding. All are 0 in a
// row with target kIgnore.
struct LogitStatistics {
  static constexpr const char* kName = "logit_statistics";
  Tensor maximum;       // (N)       overwritten; -inf without columns
  Tensor sums;          // (2, N)    f64, overwritten: of exp(x - maximum); of
                        //           the target's logit, 0 where another rank
                        //           has it
  ConstTensor logits;   // (N, V')
  ConstTensor targets;  // (N)       i32; Error where not in [0, V) or kIgnore
  std::int64_t first_column = 0;
  std::int64_t vocabulary = 0;  // V

  static void visit(auto& op, auto&& tensors) {
    tensors(op.maximum, op.sums, op.logits, op.targets);
  }
};

void check(const LogitStatistics& op);
Cost cost(const LogitStatistics& op);
void run(OnCpu, Stream& stream, const LogitStatistics& op);
void run(OnCuda, Stream& stream, const LogitStatistics& op);

// sums[0,n] = sums[0,n] exp(own[n] - maximum[n]). Where the two are equal, the
// sum keeps its bits.
struct RescaleSums {
  static constexpr const char* kName = "rescale_sums";
  Tensor sums;          // (2, N)   f64
  ConstTensor own;      // (N)      this rank's maximum
  ConstTensor maximum;  // (N)      all ranks' maximum

  static void visit(auto& op, auto&& tensors) {
    tensors(op.sums, op.own, op.maximum);
  }
};

void check(const RescaleSums& op);
Cost cost(const RescaleSums& op);
void run(OnCpu, Stream& stream, const RescaleSums& op);
void run(OnCuda, Stream& stream, const RescaleSums& op);

struct CrossEntropyLoss {
  static constexpr const char* kName = "cross_entropy_loss";
  Tensor loss;               // (N)      overwritten
  ConstTensor maximum;       // (N)      of all ranks
  ConstTensor sums;          // (2, N)   f64, of all ranks
  ConstTensor targets;       // (N)      i32
  ConstTensor weights = {};  // (N), optional

  static void visit(auto& op, auto&& tensors) {
    tensors(op.loss, op.maximum, op.sums, op.targets, op.weights);
  }
};

void check(const CrossEntropyLoss& op);
Cost cost(const CrossEntropyLoss& op);
void run(OnCpu, Stream& stream, const CrossEntropyLoss& op);
void run(OnCuda, Stream& stream, const CrossEntropyLoss& op);

struct CrossEntropyGradient {
  static constexpr const char* kName = "cross_entropy_gradient";
  Tensor logits;        // (N, V')   overwritten by the gradient
  ConstTensor maximum;  // (N)       of all ranks
  ConstTensor sums;     // (2, N)    f64, of all ranks
  ConstTensor targets;  // (N)       i32
  std::int64_t first_column = 0;
  std::int64_t vocabulary = 0;  // V
  ConstTensor d_loss;           // (1)
  ConstTensor weights = {};     // (N), optional

  static void visit(auto& op, auto&& tensors) {
    tensors(op.logits, op.maximum, op.sums, op.targets, op.d_loss, op.weights);
  }
};

void check(const CrossEntropyGradient& op);
Cost cost(const CrossEntropyGradient& op);
void run(OnCpu, Stream& stream, const CrossEntropyGradient& op);
void run(OnCuda, Stream& stream, const CrossEntropyGradient& op);

}  // namespace dure::kernels
