// Spinning for a moment on what another thread is about to do.
#pragma once

#include "dure/base/trace.h"

namespace dure {

inline void relax_core() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// The longest time to keep a core busy while waiting. It is somewhat more than
// it takes to put a thread to sleep and to wake it, which every wait would cost
// otherwise, and little beside the milliseconds that the system lets a program
// run before another.
inline constexpr double kSpinSeconds = 50e-6;

// Whether ready() came true within kSpinSeconds.
template <typename Ready>
bool spin_until(const Ready& ready) {
  constexpr int kLooks = 32;  // between two of the clock
  const double start = monotonic_seconds();
  do {
    for (int look = 0; look < kLooks; ++look) {
      if (ready()) {
        return true;
      }
      relax_core();
    }
  } while (monotonic_seconds() - start < kSpinSeconds);
  return false;
}

}  // namespace dure
