// Counts the elements of many tensors by their binary exponents: a histogram of
// gradients, with the loss scale in them and without it.
//
// A value other than 0, infinity and NaN has an exponent e and a significand s:
//
//   |x| = s 2^e,   1 <= s < 2
//
// With a scale of m 2^k, x / scale has the exponent e - k if s >= m, and e - k
// - 1 if s < m. So each exponent has two counts, one for either case, and both
// histograms follow from them without a division. If the scale is a power of
// two, m is 1, and no s is less.
//
// Counts are whole numbers, so neither the order of elements, nor their
// division over calls and threads, changes them.
#pragma once

#include <span>

#include "dure/kernels/op.h"

namespace dure::kernels {

// counts += those of all spans.
struct CountExponents {
  static constexpr const char* kName = "count_exponents";

  // The exponents of the smallest and of the largest f32, which are also within
  // the range of bf16 and f16 and beyond it.
  static constexpr int kFirst = -149;
  static constexpr int kLast = 127;

  // Indices into `counts`:
  static constexpr std::int64_t kZeros = std::int64_t{2} * (kLast - kFirst + 1);
  static constexpr std::int64_t kNonfinite = kZeros + 1;
  static constexpr std::int64_t kCounts = kNonfinite + 1;
  static constexpr std::int64_t below(int exponent) {  // s < m
    return std::int64_t{2} * (exponent - kFirst);
  }
  static constexpr std::int64_t not_below(int exponent) {  // s >= m
    return below(exponent) + 1;
  }

  Tensor counts;                       // (kCounts)   i64, added to
  ConstTensor scale;                   // (1)         f32, above 0 and finite
  std::span<const ConstTensor> spans;  // each f32, bf16 or f16

  static void visit(auto& op, auto&& tensors) {
    tensors(op.counts, op.scale, op.spans);
  }
};

void check(const CountExponents& op);
Cost cost(const CountExponents& op);
void run(OnCpu, Stream& stream, const CountExponents& op);
void run(OnCuda, Stream& stream, const CountExponents& op);

}  // namespace dure::kernels
