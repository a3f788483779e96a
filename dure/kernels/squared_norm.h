// The sum of squares of many tensors: the global norm of gradients, and where a
// value that is not finite sits.
//
// Squares are exact in f64. Groups of kGroup elements, counted from the start
// of a span, are added up in f64 in a fixed order, and the groups without
// rounding: a span cut at multiples of kGroup has parts whose sums add up to
// the whole's, to the bit, as has any number of threads on any instruction set.
#pragma once

#include <span>

#include "dure/kernels/exact_sum.h"

namespace dure::kernels {

// sum += the squares of all spans; first_nonfinite = the least of what it is
// and the numbers of spans that are not finite, which are counted from
// first_span.
struct SquaredNorm {
  static constexpr const char* kName = "squared_norm";
  static constexpr std::int64_t kGroup = 16;
  Tensor sum;              // (kSumDigits)   i64, added to
  Tensor first_nonfinite;  // (1)            i64, updated
  std::span<const ConstTensor> spans;
  std::int64_t first_span = 0;
};

void check(const SquaredNorm& op);
Cost cost(const SquaredNorm& op);
void run(OnCpu, Stream& stream, const SquaredNorm& op);
void run(OnCuda, Stream& stream, const SquaredNorm& op);

}  // namespace dure::kernels
