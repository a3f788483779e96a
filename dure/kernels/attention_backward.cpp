#include "dure/kernels/attention.h"
#include "dure/kernels/attention_check.h"

namespace dure::kernels {

void check(const AttentionBackward& op) {
  const AttentionShape& shape = op.shape;
  const Shape outputs = {shape.rows(), shape.heads * shape.head_dim};
  const Shape inputs = {shape.rows(), shape.qkv_columns()};
  check_shape(shape);
  check_scale(op.scale);
  check_mask(op.mask);
  op.d_qkv.expect("d_qkv", inputs, DType::kF32);
  op.d_y.expect("d_y", outputs, DType::kF32);
  op.y.expect("y", outputs, DType::kF32);
  op.lse.expect("lse", {shape.rows(), shape.heads}, DType::kF32);
  op.qkv.expect("qkv", inputs, DType::kF32);
  check_scratch(shape, op.scratch);
}

// Five products of 2 D flops for each pair of query and key: the scores again,
// and the gradients of the probabilities, q, k and v.
Cost cost(const AttentionBackward& op) {
  const AttentionShape& shape = op.shape;
  const std::int64_t elements =
      shape.rows() * (2 * shape.qkv_columns() +
                      2 * shape.heads * shape.head_dim + shape.heads);
  return {
      .flops = 10 * causal_pairs(shape) * static_cast<double>(shape.head_dim),
      .bytes = sizeof(float) * static_cast<double>(elements)};
}

}  // namespace dure::kernels
