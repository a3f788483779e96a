// Which instruction sets the vector code of cpu/ is compiled for.
//
// Include before any header of Highway. On x86-64: AVX-512, AVX2 with FMA, and
// scalar code for what is older; each further target adds its compile time to
// every kernel. SVE and RISC-V vectors have no size at compile time, so arrays
// of them, which the register tiles are, do not exist; Arm runs NEON.
#pragma once

#define HWY_DISABLED_TARGETS                                               \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | \
   HWY_SVE2_128 | HWY_RVV)
