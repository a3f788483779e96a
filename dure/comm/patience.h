// How long one waits for other ranks, and what one says meanwhile.
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "dure/comm/flight_recorder.h"

namespace dure::comm {

// Of one wait. Times are monotonic_seconds(). It is over when for
// Options::timeout_seconds no rank of the run has been at what it had stated
// (activity.h).
class Patience {
 public:
  Patience() = default;
  Patience(double timeout_seconds, double now)
      : timeout_(timeout_seconds),
        deadline_(now + timeout_seconds),
        pause_(std::min(timeout_seconds, kFirstWordSeconds)),
        next_word_(now + pause_) {}

  // When to see what the others do.
  double next_look() const { return std::min(deadline_, next_word_); }

  // One of them was busy so long ago.
  void extend(double now, double ago) {
    deadline_ = std::max(deadline_, now - ago + timeout_);
  }

  bool is_over(double now) const { return now >= deadline_; }

  // Once for each time that something should be said: ever more seldom.
  bool is_time_to_say(double now) {
    if (now < next_word_) {
      return false;
    }
    pause_ = std::min(2 * pause_, kLongestPauseSeconds);
    next_word_ = now + pause_;
    return true;
  }

 private:
  static constexpr double kFirstWordSeconds = 10;
  static constexpr double kLongestPauseSeconds = 300;

  double timeout_ = 0;
  double deadline_ = 0;
  double pause_ = 0;
  double next_word_ = 0;
};

struct RankDoing {
  int rank = 0;
  FlightRecorder::Doing doing = {};
};

// The least of their `ago`.
double last_busy(std::span<const RankDoing> ranks);

// "waiting for rank 0: saving step_00000020, 12 s"; "" where none is busy.
std::string describe_busy(std::span<const RankDoing> ranks);

}  // namespace dure::comm
