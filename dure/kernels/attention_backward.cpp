#include "dure/kernels/attention.h"
#include "dure/kernels/attention_check.h"
#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const AttentionBackward& op) {
  const AttentionShape& shape = op.shape;
  const Shape outputs = {shape.rows(), shape.heads * shape.head_dim};
  const Shape inputs = {shape.rows(), shape.qkv_columns()};
  check_shape(shape);
  check_scale(op.scale);
  check_mask(op.mask);
  const DType dtype = only_f32(op, op.d_qkv);
  op.d_qkv.expect("d_qkv", inputs, dtype);
  op.d_y.expect("d_y", outputs, dtype);
  op.y.expect("y", outputs, dtype);
  op.lse.expect("lse", {shape.rows(), shape.heads}, DType::kF32);
  op.qkv.expect("qkv", inputs, dtype);
  check_scratch(shape, op.scratch);
}

// Five products of 2 D flops for each pair of query and key: the scores again,
// and the gradients of the probabilities, q, k and v.
Cost cost(const AttentionBackward& op) {
  const AttentionShape& shape = op.shape;
  return {
      .flops = 10 * causal_pairs(shape) * static_cast<double>(shape.head_dim),
      .bytes = bytes_of(op.d_qkv, op.d_y, op.y, op.lse, op.qkv)};
}

}  // namespace dure::kernels
