#include "dure/base/interrupt.h"

#include <ctime>
#include <pthread.h>

#include "dure/base/check.h"

namespace dure {
namespace {

// How long the end of a watch may have to wait for its thread.
constexpr timespec kPoll{.tv_sec = 0, .tv_nsec = 50'000'000};

// As if it had never been caught: with the default action, or none where the
// process ignores it.
void deliver(int signal) {
  sigset_t one{};
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  ::raise(signal);
}

}  // namespace

InterruptWatch::InterruptWatch() {
  ::sigemptyset(&signals_);
  ::sigaddset(&signals_, SIGINT);
  ::sigaddset(&signals_, SIGTERM);
  DURE_CHECK(::pthread_sigmask(SIG_BLOCK, &signals_, &old_mask_) == 0,
             "can't block SIGINT and SIGTERM");
  watcher_ = std::jthread([this](const std::stop_token& over) { watch(over); });
}

InterruptWatch::~InterruptWatch() {
  watcher_.request_stop();
  watcher_.join();
  ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void InterruptWatch::watch(const std::stop_token& over) {
  while (!over.stop_requested()) {
    const int signal = ::sigtimedwait(&signals_, nullptr, &kPoll);
    if (signal <= 0) {  // the time is over
      continue;
    }
    if (interrupted_.stop_requested()) {
      deliver(signal);
    }
    interrupted_.request_stop();
  }
}

}  // namespace dure
