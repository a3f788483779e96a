#include "dure/kernels/count_exponents.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const CountExponents& op) {
  op.counts.expect("counts", {CountExponents::kCounts}, DType::kI64);
  op.scale.expect("scale", {1}, DType::kF32);
  for (const ConstTensor& span : op.spans) {
    float_type(op, span);
  }
}

// Counts a shift, two comparisons and two additions for an element. The counts
// are read and written once.
Cost cost(const CountExponents& op) {
  Cost sum = {.bytes = 2 * bytes_of(op.counts)};
  for (const ConstTensor& span : op.spans) {
    sum.flops += 5 * static_cast<double>(span.elements());
    sum.bytes += static_cast<double>(span.size_bytes());
  }
  return sum;
}

}  // namespace dure::kernels
