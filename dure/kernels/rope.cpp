#include "dure/kernels/rope.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const Rope& op) {
  const auto [N, columns] = op.qkv.dims<2>("qkv");
  op.qkv.expect("qkv", {N, columns}, float_type(op, op.qkv));
  op.positions.expect("positions", {N}, DType::kI32);
  DURE_CHECK(op.head_dim > 0 && op.head_dim % 2 == 0,
             "rope turns pairs: head_dim is even and positive, not {}",
             op.head_dim);
  DURE_CHECK(columns % op.head_dim == 0 && op.rotated_heads >= 0 &&
                 op.rotated_heads * op.head_dim <= columns,
             "qkv has {} columns, which are not {} or more heads of {}",
             columns,
             op.rotated_heads,
             op.head_dim);
  DURE_CHECK(op.theta > 0, "rope's theta is positive, not {:g}", op.theta);
}

// A pair takes four products and two sums.
Cost cost(const Rope& op) {
  const auto turned =
      static_cast<double>(op.qkv.shape()[0] * op.rotated_heads * op.head_dim);
  const auto size = static_cast<double>(size_of(op.qkv.dtype()));
  return {.flops = 3 * turned, .bytes = 2 * size * turned};
}

}  // namespace dure::kernels
