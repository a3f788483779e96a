// What the operations of attention.h and cached_attention.h check and count
// alike.
#pragma once

#include "dure/kernels/attention.h"

namespace dure::kernels {

// Each throws Error.
void check_inputs(const AttentionInputs& in, DType dtype);
void check_scratch(const AttentionInputs& in, const Tensor& scratch);

// The shape of y, and of its gradient.
Shape output_shape(const AttentionInputs& in);

// Of so many products of 2 D flops for each pair that the pattern shows, and of
// moving q and those keys and values that it does.
Cost cost_of_pairs(const AttentionInputs& in, int products);

}  // namespace dure::kernels
