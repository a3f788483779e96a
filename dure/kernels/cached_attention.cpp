#include "dure/kernels/cached_attention.h"

#include "dure/kernels/attention_check.h"
#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const CacheAppend& op) {
  const auto [B, G, S, D] = op.k_cache.dims<4>("k_cache");
  const DType dtype = float_type(op, op.k_cache);
  op.v_cache.expect("v_cache", op.k_cache.shape(), dtype);
  const HeadLayout rows = {
      .samples = B, .rows = op.k.at.rows, .heads = G, .head_dim = D};
  expect_heads("k", op.k, rows, dtype);
  expect_heads("v", op.v, rows, dtype);
  op.lengths.expect("lengths", {B}, DType::kI32);
  DURE_CHECK(rows.rows <= S,
             "{} new positions do not fit a cache of {}",
             rows.rows,
             S);
}

Cost cost(const CacheAppend& op) {
  const std::int64_t moved = 2 * (op.k.at.elements() + op.v.at.elements());
  return {.flops = 0,
          .bytes = static_cast<double>(moved * size_of(op.k_cache.dtype()))};
}

void check(const CachedAttention& op) {
  const DType dtype = float_type(op, op.in.q.tensor);
  check_inputs(op.in, dtype);
  op.y.expect("y", output_shape(op.in), dtype);
  check_scratch(op.scratch, cached_attention_scratch(op.in, 1));
}

// The lengths are data, which may not be readable (kSim), so it counts as far
// as the pattern bounds them.
Cost cost(const CachedAttention& op) {
  Cost cost = cost_of_pairs(op.in, 2);
  cost.bytes += bytes_of(op.y);
  return cost;
}

}  // namespace dure::kernels
