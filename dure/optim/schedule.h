// The learning rate of an update: a pure function of its number.
//
// With s the number of the update, w warmup_steps, e decay_steps, and rates
// between `max` (learning_rate) and `min` (minimum_learning_rate):
//
//   warm-up, s < w   linear               max s / w
//                    log                  max ln(s + 1) / ln(max(w, 2))
//   after it         constant             max
//                    linear, cosine       low + (max - low) shape(r), at least
//                                         min; r = (s - w) / (e - w), 1 after e
//                    inverse-square-root  max sqrt(max(w, 1) / s), at least min
//                    wsd                  max until e - d, then
//                                         min + (max - min) shape(r), with
//                                         d = round(wsd_share e), at most e -
//                                         w; r = (s - (e - d)) / d, 1 after e
//
// where low is min, or 0 with decay_to = "zero", and
//
//   shape(r)         linear               1 - r
//                    cosine               (1 + cos(pi r)) / 2
//                    exponential          2 * 0.5^r - 1
//                    square-root          1 - sqrt(r)
//
// Linear, cosine and inverse-square-root are Megatron-LM's curves, log is
// DeepSpeed's default warm-up, wsd is [1, section 4.2]. Megatron-LM and
// Transformers count updates from 0, so an update's rate here is that of their
// next update.
//
// [1] Hu et al. 2024, arXiv:2404.06395.
#pragma once

#include <cstdint>

#include "dure/optim/config.h"

namespace dure::optim {

// `update` counts from 1 and counts only updates that were made: a step skipped
// for a gradient that is not finite does not move the schedule. The config must
// be resolved.
double learning_rate(std::int64_t update, const OptimizerConfig& config);

}  // namespace dure::optim
