// The state that waiting ranks of one world of threads share.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "dure/comm/abort_flag.h"
#include "dure/comm/communicator.h"
#include "dure/comm/patience.h"
#include "dure/comm/waiting.h"

namespace dure::comm {

// Shared by all communicators of the world. Threads: any.
class Watch {
 public:
  Watch(int ranks, Options options);

  AbortFlag& fate() { return fate_; }
  const Options& options() const { return options_; }

  // `rank` is of the world.
  void introduce(int rank, std::shared_ptr<const FlightRecorder> recorder);

  // Waits until ready(), until the run has failed, or until the patience with
  // all ranks is over (patience.h).
  template <typename Ready>
  Waited wait(const Ready& ready) {
    const double start = monotonic_seconds();
    Patience patience(options_.timeout_seconds, start);
    double look_seconds = patience.next_look() - start;
    while (true) {
      const Waited waited =
          wait_until(look_seconds, ready, [this] { return fate_.failed(); });
      if (waited != Waited::kTimedOut || is_over(patience)) {
        return waited;
      }
      look_seconds = patience.next_look() - monotonic_seconds();
    }
  }

 private:
  // Extends the patience if a rank is busy, and says so.
  bool is_over(Patience& patience);
  void say(const std::string& text, double now);
  std::vector<RankDoing> doings() const;

  Options options_;
  AbortFlag fate_;
  mutable std::mutex mutex_;  // of what follows
  std::vector<std::shared_ptr<const FlightRecorder>> recorders_;
  double next_word_ = 0;  // of any rank
};

}  // namespace dure::comm
