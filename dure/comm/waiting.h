// Waiting for another thread or process: first on the core, then off it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

#include "dure/base/spin.h"
#include "dure/base/trace.h"

namespace dure::comm {

// How a wait ended.
enum class Waited : std::uint8_t { kReady, kStopped, kTimedOut };

// A thread's wait between two looks that found nothing. It first waits on the
// core. The longer it waits, the longer it sleeps between looks, up to a fixed
// share of the time waited: a thousand threads that wait for one must leave it
// the cores, and when a thread sleeps, the system can move a peer that has lost
// its core to this one.
class Pause {
 public:
  // Some 10 us, longer than a peer that is about to come needs.
  static constexpr int kSpins = 300;

  explicit Pause(int spins = kSpins, double most_seconds = 20e-3)
      : spins_(spins), most_seconds_(most_seconds) {}

  // Whether it has kept the core so far.
  bool is_on_core() const { return looks_ < spins_; }
  double seconds() const { return monotonic_seconds() - start_; }

  void operator()() {
    constexpr double kYieldSeconds = 2e-4;
    constexpr double kShare = 1.0 / 32;
    constexpr double kLeastSleep = 50e-6;
    if (is_on_core()) {
      ++looks_;
      return relax_core();
    }
    const double waited = seconds();
    if (waited < kYieldSeconds) {
      return std::this_thread::yield();
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(
        std::clamp(waited * kShare, kLeastSleep, most_seconds_)));
  }

 private:
  int spins_;
  double most_seconds_;
  int looks_ = 0;
  double start_ = monotonic_seconds();
};

// Waits until ready() or stopped(), or until the time is over.
template <typename Ready, typename Stopped>
Waited wait_until(double timeout_seconds,
                  const Ready& ready,
                  const Stopped& stopped) {
  Pause pause;
  while (!ready()) {
    if (!pause.is_on_core()) {
      if (stopped()) {
        return Waited::kStopped;
      }
      if (pause.seconds() > timeout_seconds) {
        return Waited::kTimedOut;
      }
    }
    pause();
  }
  return Waited::kReady;
}

}  // namespace dure::comm
