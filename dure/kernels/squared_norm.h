// The sum of squares of many tensors, for the global norm of gradients, and the
// first tensor that has a value that is not finite.
//
// Squares are exact in f64. Groups of kGroup elements, counted from the start
// of a span, are added in f64 in a fixed order, and the groups without
// rounding. So the parts of a span that is cut at multiples of kGroup have sums
// that add up to the whole's, to the bit; the same holds for any number of
// threads on any instruction set.
#pragma once

#include <span>

#include "dure/kernels/exact_sum.h"

namespace dure::kernels {

// sum += the squares of all spans; first_nonfinite = the least of its value and
// the numbers of spans that are not finite, counted from first_span.
struct SquaredNorm {
  static constexpr const char* kName = "squared_norm";
  static constexpr std::int64_t kGroup = 16;
  Tensor sum;                          // (kSumDigits)   i64, added to
  Tensor first_nonfinite;              // (1)            i64, updated
  std::span<const ConstTensor> spans;  // each f32, bf16 or f16
  std::int64_t first_span = 0;

  static void visit(auto& op, auto&& tensors) {
    tensors(op.sum, op.first_nonfinite, op.spans);
  }
};

void check(const SquaredNorm& op);
Cost cost(const SquaredNorm& op);
void run(OnCpu, Stream& stream, const SquaredNorm& op);
void run(OnCuda, Stream& stream, const SquaredNorm& op);

}  // namespace dure::kernels
