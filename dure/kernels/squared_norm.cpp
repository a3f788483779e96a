#include "dure/kernels/squared_norm.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const SquaredNorm& op) {
  op.sum.expect("sum", {kSumDigits}, DType::kI64);
  op.first_nonfinite.expect("first_nonfinite", {1}, DType::kI64);
  for (const ConstTensor& span : op.spans) {
    float_type(op, span);
  }
}

Cost cost(const SquaredNorm& op) {
  Cost sum;
  for (const ConstTensor& span : op.spans) {
    sum.flops += 2 * static_cast<double>(span.elements());
    sum.bytes += static_cast<double>(span.size_bytes());
  }
  return sum;
}

}  // namespace dure::kernels
