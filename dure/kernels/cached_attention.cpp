#include "dure/kernels/attention.h"
#include "dure/kernels/attention_check.h"

namespace dure::kernels {

void check(const CachedAttention& op) {
  const AttentionShape& shape = op.shape;
  check_shape(shape);
  check_scale(op.scale);
  op.y.expect("y", {shape.rows(), shape.heads * shape.head_dim}, DType::kF32);
  op.qkv.expect("qkv", {shape.rows(), shape.qkv_columns()}, DType::kF32);
  op.lengths.expect("lengths", {shape.batch}, DType::kI32);
  const std::int64_t S = op.k_cache.dims<4>("k_cache")[2];
  const Shape cache = {shape.batch, shape.kv_heads, S, shape.head_dim};
  op.k_cache.expect("k_cache", cache, DType::kF32);
  op.v_cache.expect("v_cache", cache, DType::kF32);
  DURE_CHECK(shape.sequence <= S,
             shape.sequence,
             " new positions do not fit a cache of ",
             S);
}

// The lengths are data, which may not be there to read (kSim): counted as if
// the cache were full.
Cost cost(const CachedAttention& op) {
  const AttentionShape& shape = op.shape;
  const auto [B, G, S, D] = op.k_cache.dims<4>("k_cache");
  const auto products = static_cast<double>(shape.rows() * shape.heads * S * D);
  const auto cached = static_cast<double>(2 * B * G * S * D);
  const auto rows = static_cast<double>(
      shape.rows() * (shape.qkv_columns() + shape.heads * D));
  return {.flops = 4 * products, .bytes = sizeof(float) * (cached + rows)};
}

}  // namespace dure::kernels
