// Which instruction sets the vector code of cpu/ is compiled for.
//
// Include this before any header of Highway. On x86-64 there is code for
// AVX-512, for AVX2 with FMA, and scalar code for older machines; each further
// target adds its compile time to every kernel. SVE and RISC-V vectors have no
// size at compile time, so there are no arrays of them, which the register
// tiles need; Arm runs NEON.
#pragma once

#define HWY_DISABLED_TARGETS                                               \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | \
   HWY_SVE2_128 | HWY_RVV)
