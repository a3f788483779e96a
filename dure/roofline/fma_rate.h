// The peak rate of a CPU's multiply-add units here and now.
#pragma once

#include <cstdint>

namespace dure::roofline {

// Floating-point operations a second of f32 multiply-adds between registers on
// all usable processors, with the widest vectors that dure/kernels uses, over
// so many rounds: the more, the longer it takes.
double fma_rate(std::int64_t rounds);

}  // namespace dure::roofline
