// Which instruction sets the vector code of cpu/ is compiled for.
//
// Include this before any header of Highway. On x86-64 there is code for
// AVX-512, for AVX2 with FMA, and scalar code for older machines; each further
// target adds its compile time to every kernel. SVE and RISC-V vectors have no
// size at compile time, so there are no arrays of them, which the register
// tiles need; Arm runs NEON.
//
// A sanitizer's build leaves AVX-512 out, which would be half of the time that
// it takes to compile: the code is AVX2's with longer vectors.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define DURE_SANITIZED_TARGETS HWY_AVX3
#endif
#endif
#ifndef DURE_SANITIZED_TARGETS
#define DURE_SANITIZED_TARGETS 0
#endif

#define HWY_DISABLED_TARGETS                                               \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | \
   HWY_SVE2_128 | HWY_RVV | DURE_SANITIZED_TARGETS)
