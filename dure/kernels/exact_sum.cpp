#include "dure/kernels/exact_sum.h"

namespace dure::kernels {

void check(const AddToExactSum& op) {
  op.sum.expect("sum", {kSumDigits}, DType::kI64);
  const auto [N] = op.x.dims<1>("x");
  op.x.expect("x", {N}, DType::kF32);
}

// Counts some ten shifts and masks and three additions for a term. Digits are
// read and written once.
Cost cost(const AddToExactSum& op) {
  return {.flops = 13 * static_cast<double>(op.x.elements()),
          .bytes = static_cast<double>(op.x.size_bytes()) +
                   2 * static_cast<double>(op.sum.size_bytes())};
}

}  // namespace dure::kernels
