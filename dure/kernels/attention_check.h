// Shared checks, shapes and costs of attention.h and cached_attention.h.
#pragma once

#include "dure/kernels/attention.h"

namespace dure::kernels {

// Both throw Error.
void check_inputs(const AttentionInputs& in, DType dtype);
void check_scratch(const Tensor& scratch, std::int64_t least);

// The shape of y and of its gradient.
Shape output_shape(const AttentionInputs& in);

// The columns of y, or of its gradient, are the heads of q.
inline HeadColumns output_columns(const HeadLayout& q) {
  return {.samples = q.samples,
          .first = 0,
          .heads = q.heads,
          .head_dim = q.head_dim};
}

inline std::int64_t heads_of_group(const AttentionInputs& in) {
  return in.q.at.heads / in.k.at.heads;
}

// The cost of so many products of 2 D flops for each pair that the pattern
// shows, and of moving q and the keys and values that it shows.
Cost cost_of_pairs(const AttentionInputs& in, int products);

}  // namespace dure::kernels
