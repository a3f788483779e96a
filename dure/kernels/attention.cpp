#include "dure/kernels/attention.h"

#include "dure/kernels/attention_check.h"
#include "dure/kernels/cpu/attention_head.h"
#include "dure/kernels/operands.h"

namespace dure::kernels {

void check_shape(const AttentionShape& shape) {
  DURE_CHECK(shape.batch >= 0 && shape.sequence >= 0 && shape.heads > 0 &&
                 shape.kv_heads > 0 && shape.head_dim > 0,
             "attention needs heads of at least one element, not ",
             shape.heads,
             " heads, ",
             shape.kv_heads,
             " kv_heads of ",
             shape.head_dim,
             " over ",
             shape.batch,
             " x ",
             shape.sequence);
  DURE_CHECK(shape.heads % shape.kv_heads == 0,
             shape.heads,
             " heads cannot share ",
             shape.kv_heads,
             " kv_heads evenly: make one a multiple of the other");
  DURE_CHECK(shape.part >= 0 && shape.part < shape.parts,
             "there is no part ",
             shape.part,
             " of ",
             shape.parts,
             " of the heads");
}

void check_scale(float scale) {
  DURE_CHECK(scale > 0,
             "attention's scale is positive, such as 1 / sqrt(head_dim), not ",
             scale);
}

void check_scratch(const AttentionShape& shape, const Tensor& scratch) {
  const auto [floats] = scratch.dims<1>("scratch");
  scratch.expect("scratch", {floats}, DType::kF32);
  DURE_CHECK(floats >= attention_scratch(shape, 1),
             "scratch has ",
             floats,
             " elements, wanted attention_scratch(), at least ",
             attention_scratch(shape, 1));
}

std::int64_t attention_scratch(const AttentionShape& shape, int threads) {
  return threads * attention_thread_scratch(shape);
}

void check(const Attention& op) {
  const AttentionShape& shape = op.shape;
  check_shape(shape);
  check_scale(op.scale);
  check_mask(op.mask);
  const DType dtype = only_f32(op, op.y);
  op.y.expect("y", {shape.rows(), shape.heads * shape.head_dim}, dtype);
  op.lse.expect("lse", {shape.rows(), shape.heads}, DType::kF32);
  op.qkv.expect("qkv", {shape.rows(), shape.qkv_columns()}, dtype);
  check_scratch(shape, op.scratch);
}

double causal_pairs(const AttentionShape& shape) {
  const auto S = static_cast<double>(shape.sequence);
  return static_cast<double>(shape.batch * shape.heads) * S * (S + 1) / 2;
}

// Two products of 2 D flops for each pair of query and key.
Cost cost(const Attention& op) {
  const AttentionShape& shape = op.shape;
  return {
      .flops = 4 * causal_pairs(shape) * static_cast<double>(shape.head_dim),
      .bytes = bytes_of(op.y, op.lse, op.qkv)};
}

}  // namespace dure::kernels
