// Waiting for another thread: first on the core, then leaving it to others.
#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

#include "dure/base/trace.h"

namespace dure::comm {

inline void relax_core() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// How a wait ended.
enum class Waited : std::uint8_t { kReady, kStopped, kTimedOut };

// Until ready() or stopped(), or the time is over.
template <typename Ready, typename Stopped>
Waited wait_until(double timeout_seconds,
                  const Ready& ready,
                  const Stopped& stopped) {
  // Some 10 us, longer than a peer that is on its way needs.
  constexpr int kSpins = 300;
  constexpr int kYields = 1000;
  for (int i = 0; i < kSpins; ++i) {
    if (ready()) {
      return Waited::kReady;
    }
    relax_core();
  }
  const double deadline = monotonic_seconds() + timeout_seconds;
  for (int i = 0;; ++i) {
    if (ready()) {
      return Waited::kReady;
    }
    if (stopped()) {
      return Waited::kStopped;
    }
    if (i < kYields) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    if (monotonic_seconds() > deadline) {
      return Waited::kTimedOut;
    }
  }
}

}  // namespace dure::comm
