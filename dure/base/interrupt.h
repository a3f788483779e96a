// Signals that ask a program to end, turned into a request to stop.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <signal.h>
#include <stop_token>
#include <string>
#include <thread>

namespace dure {

// Whether a long piece of work is asked to stop, and what it would answer.
// Copies share one request; any thread may use them. Without an InterruptWatch
// the request is never made.
class StopRequest {
 public:
  bool stop_requested() const { return state_->requested; }

  // There is something to keep from now on: the first signal only makes the
  // request, and `answer` is printed at once, such as "stopping after this
  // step, then saving". The text must live as long as the program. Before the
  // first call of any copy a signal ends the process.
  void answer(const char* answer) const { state_->answer = answer; }

  // Another process of the same run prints the answer.
  void keep_quiet() const { state_->quiet = true; }

 private:
  friend class InterruptWatch;
  struct State {
    std::atomic<bool> requested = false;
    std::atomic<const char*> answer = nullptr;
    std::atomic<bool> quiet = false;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// While it lives, SIGINT, SIGTERM, SIGHUP and SIGUSR1 are answered at once, in
// a line on standard error, whatever the other threads do or wait for:
//
//   nothing to keep         temporary.h's are removed, and the process ends as
//                           the signal would have ended it
//   something to keep       a stop of request() is requested
//   SIGINT or SIGTERM for   the process ends at once; what killed it leaves,
//   the second time         the next run removes
//
// A signal that comes again within a tenth of a second counts once: timeout(1)
// sends it both to the group and to its process. A SIGHUP that is ignored as
// the process begins (nohup) stays ignored. Signals are blocked in the calling
// thread and in all threads started from it later, so make the watch before any
// thread. A program that is started meanwhile needs Unblocked. There is one
// watch at a time in a process.
class InterruptWatch {
 public:
  InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;
  ~InterruptWatch();

  const StopRequest& request() const { return request_; }

  // While it lives, the calling thread and the programs that it starts take the
  // signals as if there were no watch.
  class Unblocked {
   public:
    Unblocked();
    Unblocked(const Unblocked&) = delete;
    Unblocked& operator=(const Unblocked&) = delete;
    ~Unblocked();

   private:
    sigset_t old_mask_{};
  };

 private:
  using Clock = std::chrono::steady_clock;

  void watch(const std::stop_token& over);
  void take(int signal);
  void say(const std::string& line) const;

  sigset_t old_mask_{};
  StopRequest request_;
  std::map<int, Clock::time_point> taken_;  // when each came last
  std::jthread watcher_;
};

}  // namespace dure
