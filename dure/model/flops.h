// The arithmetic of a model: the operations that any machine has to do.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/model/config.h"

namespace dure::model {

// Floating-point operations of the forward and backward of one token in a
// sequence of S, a multiply and an add being two:
//
//   6 P + 12 L H D K
//
// P are the weights of matrix products: those of the blocks and the head's V
// rows of h, without tables that are only looked up, and without padding. Each
// costs 2 in the forward and 4 in the backward. The second term is attention: a
// token sees K keys on average, once in q k and once in p v, over L layers of H
// heads of D; three times that, because the backward costs twice the forward. K
// follows from the model's pattern (kernels/attention_pattern.h), and is (S +
// 1) / 2 if it is causal. So hidden keys are not counted, nor is recomputation
// (the model FLOPs of [1], appendix B, with attention halved).
//
// [1] Chowdhery et al. 2022, arXiv:2204.02311.
double flops_per_token(const ModelConfig& config, std::int64_t sequence);

// The operations by layer, as stages count them (stage_split.h): the embedding,
// which has none, the blocks, the head.
std::vector<double> flops_by_layer(const ModelConfig& config,
                                   std::int64_t sequence);

}  // namespace dure::model
