// Waiting for another thread: first on the core, then leaving it to others.
#pragma once

#include <algorithm>
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

// Until ready() or stopped(), or the time is over. What is about to happen is
// waited for on the core; the longer it takes, the longer are the times between
// looks, to a share of what has been waited already: a thousand threads that
// wait for one must leave it the cores.
template <typename Ready, typename Stopped>
Waited wait_until(double timeout_seconds,
                  const Ready& ready,
                  const Stopped& stopped) {
  // Some 10 us, longer than a peer that is on its way needs.
  constexpr int kSpins = 300;
  constexpr double kYieldSeconds = 2e-4;
  constexpr double kShare = 1.0 / 32;
  constexpr double kLeastSleep = 50e-6;
  constexpr double kMostSleep = 20e-3;
  for (int i = 0; i < kSpins; ++i) {
    if (ready()) {
      return Waited::kReady;
    }
    relax_core();
  }
  const double start = monotonic_seconds();
  while (true) {
    if (ready()) {
      return Waited::kReady;
    }
    if (stopped()) {
      return Waited::kStopped;
    }
    const double waited = monotonic_seconds() - start;
    if (waited > timeout_seconds) {
      return Waited::kTimedOut;
    }
    if (waited < kYieldSeconds) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::duration<double>(
          std::clamp(waited * kShare, kLeastSleep, kMostSleep)));
    }
  }
}

}  // namespace dure::comm
