// Ctrl-C and SIGTERM as a request instead of an end.
#pragma once

#include <signal.h>
#include <stop_token>
#include <thread>

namespace dure {

// While it lives, the first SIGINT or SIGTERM requests a stop of token(); a
// second one ends the process as it would have without. Signals are blocked in
// the calling thread and in all threads started from it later, so make it
// before any. Keeps no global state; one at a time in a process.
class InterruptWatch {
 public:
  InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;
  ~InterruptWatch();

  std::stop_token token() const { return interrupted_.get_token(); }

 private:
  void watch(const std::stop_token& over);

  sigset_t signals_{};
  sigset_t old_mask_{};
  std::stop_source interrupted_;
  std::jthread watcher_;
};

}  // namespace dure
