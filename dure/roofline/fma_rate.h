// The peak rate of a CPU's multiply-add units here and now.
#pragma once

namespace dure::roofline {

// Floating-point operations a second of f32 multiply-adds between registers on
// all usable processors, with the widest vectors that dure/kernels uses.
double fma_rate();

}  // namespace dure::roofline
