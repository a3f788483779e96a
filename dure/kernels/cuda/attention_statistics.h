// The log-sum-exps of attention in the order of its operations, (B, Sq, H), and
// in the one that cuDNN takes, (B, H, Sq). Both are f32, without gaps.
#pragma once

#include <cstdint>

#include "dure/tensor/stream.h"

namespace dure::kernels {

struct StatisticsShape {
  std::int64_t samples = 0;  // B
  std::int64_t queries = 0;  // Sq
  std::int64_t heads = 0;    // H
};

// to of (B, Sq, H) = from of (B, H, Sq)
void statistics_by_query(Stream& stream,
                         float* to,
                         const float* from,
                         const StatisticsShape& shape);
// to of (B, H, Sq) = from of (B, Sq, H)
void statistics_by_head(Stream& stream,
                        float* to,
                        const float* from,
                        const StatisticsShape& shape);

}  // namespace dure::kernels
