// What the operations of attention.h check and count alike.
#pragma once

#include "dure/kernels/attention.h"

namespace dure::kernels {

// Each throws Error.
void check_shape(const AttentionShape& shape);
void check_scale(float scale);
void check_scratch(const AttentionShape& shape, const Tensor& scratch);

// Pairs of a query and a key that it sees, over all heads and sequences.
double causal_pairs(const AttentionShape& shape);

}  // namespace dure::kernels
