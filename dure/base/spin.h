// Looking, for a moment, for what another thread is about to do.
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

// So long a core may be kept from others for nothing: somewhat longer than it
// takes to put a thread to sleep and to wake it, which would else be the price
// of every wait, and short beside the time that the system lets a program run
// before another's turn, some milliseconds.
inline constexpr double kSpinSeconds = 50e-6;

// Whether ready() has come true within kSpinSeconds.
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
