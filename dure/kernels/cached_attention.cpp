#include "dure/kernels/attention.h"
#include "dure/kernels/attention_check.h"
#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const CachedAttention& op) {
  const AttentionShape& shape = op.shape;
  check_shape(shape);
  check_scale(op.scale);
  const DType dtype = only_f32(op, op.y);
  op.y.expect("y", {shape.rows(), shape.heads * shape.head_dim}, dtype);
  op.qkv.expect("qkv", {shape.rows(), shape.qkv_columns()}, dtype);
  op.lengths.expect("lengths", {shape.batch}, DType::kI32);
  const std::int64_t S = op.k_cache.dims<4>("k_cache")[2];
  const Shape cache = {shape.batch, shape.kv_heads, S, shape.head_dim};
  op.k_cache.expect("k_cache", cache, dtype);
  op.v_cache.expect("v_cache", cache, dtype);
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
  return {.flops = 4 * products,
          .bytes = bytes_of(op.k_cache, op.v_cache, op.qkv, op.y)};
}

}  // namespace dure::kernels
