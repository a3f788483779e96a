#include "dure/base/interrupt.h"

#include <pthread.h>
#include <string>
#include <unistd.h>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/process.h"
#include "dure/base/temporary.h"

namespace dure {
namespace {

constexpr auto kSameSignal = std::chrono::milliseconds(100);

// The signal that tells the watching thread of the watch's end.
int wake_signal() {
  return SIGRTMIN;
}

bool is_ignored(int signal) {
  struct sigaction now {};
  ::sigaction(signal, nullptr, &now);
  return now.sa_handler == SIG_IGN;
}

sigset_t watched_signals() {
  sigset_t signals{};
  ::sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    ::sigaddset(&signals, signal);
  }
  if (!is_ignored(SIGHUP)) {
    ::sigaddset(&signals, SIGHUP);
  }
  return signals;
}

const char* name_of(int signal) {
  switch (signal) {
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "SIGUSR1";
  }
}

enum class Unfinished : std::uint8_t { kRemoved, kLeft };

// Ends the process as if the signal had never been caught or ignored. A second
// signal during this ends it at once.
[[noreturn]] void end_by(int signal, Unfinished unfinished) {
  const sigset_t signals = watched_signals();
  for (const int each : {SIGINT, SIGTERM, SIGUSR1, SIGHUP}) {
    if (::sigismember(&signals, each) == 1) {
      ::signal(each, SIG_DFL);
    }
  }
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  if (unfinished == Unfinished::kRemoved) {
    remove_temporaries_at_the_end();
  }
  ::raise(signal);
  ::_exit(128 + signal);
}

}  // namespace

InterruptWatch::InterruptWatch() {
  sigset_t signals = watched_signals();
  ::sigaddset(&signals, wake_signal());
  DURE_CHECK(::pthread_sigmask(SIG_BLOCK, &signals, &old_mask_) == 0,
             "can't block the signals that end a process");
  watcher_ = std::jthread([this](const std::stop_token& over) { watch(over); });
}

InterruptWatch::~InterruptWatch() {
  watcher_.request_stop();
  ::pthread_kill(watcher_.native_handle(), wake_signal());
  watcher_.join();
  ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void InterruptWatch::watch(const std::stop_token& over) {
  sigset_t signals = watched_signals();
  ::sigaddset(&signals, wake_signal());
  while (!over.stop_requested()) {
    const int signal = ::sigwaitinfo(&signals, nullptr);
    if (signal > 0 && signal != wake_signal()) {
      take(signal);
    }
  }
}

void InterruptWatch::take(int signal) {
  const std::string name = name_of(signal);
  const auto now = Clock::now();
  const auto [last, first] = taken_.emplace(signal, now);
  if (!first && now - std::exchange(last->second, now) < kSameSignal) {
    return;
  }
  const char* answer = request_.state_->answer;
  if (answer == nullptr) {
    say(name + ": ending now; nothing that was unfinished is kept");
    end_by(signal, Unfinished::kRemoved);
  }
  const bool ends = signal == SIGINT || signal == SIGTERM;
  if (!first && ends) {
    say(name + " again: ending now, without saving");
    end_by(signal, Unfinished::kLeft);
  }
  if (!request_.state_->requested.exchange(true)) {
    say(name + ": " + answer +
        (ends ? "; another " + name : "; SIGTERM twice") + " ends it at once");
  }
}

// Prints on a line of its own, even while a progress line is drawn. A failure
// to write is ignored.
void InterruptWatch::say(const std::string& line) const {
  if (request_.state_->quiet) {
    return;
  }
  const std::string text =
      (::isatty(STDERR_FILENO) == 1 ? "\n" : "") + line + "\n";
  if (can_write(STDERR_FILENO, 0)) {
    [[maybe_unused]] const ssize_t ignored =
        ::write(STDERR_FILENO, text.data(), text.size());
  }
}

InterruptWatch::Unblocked::Unblocked() {
  const sigset_t signals = watched_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &signals, &old_mask_);
}

InterruptWatch::Unblocked::~Unblocked() {
  ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

}  // namespace dure
