// How long a rank waits for others, and when it says what it waits for.
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "dure/comm/flight_recorder.h"

namespace dure::comm {

// The patience of one wait. Times are monotonic_seconds(). It is over when no
// rank of the run has been in an activity (activity.h) for
// Options::timeout_seconds.
class Patience {
 public:
  Patience() = default;
  Patience(double timeout_seconds, double now)
      : timeout_(timeout_seconds),
        deadline_(now + timeout_seconds),
        pause_(std::min(timeout_seconds, kFirstWordSeconds)),
        next_word_(now + pause_) {}

  // When to look at the other ranks next.
  double next_look() const { return std::min(deadline_, next_word_); }

  // Another rank was busy so long ago.
  void extend(double now, double ago) {
    deadline_ = std::max(deadline_, now - ago + timeout_);
  }

  bool is_over(double now) const { return now >= deadline_; }

  // True once for each time that a message is due, at growing intervals.
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

// The least `ago` of these ranks.
double last_busy(std::span<const RankDoing> ranks);

// "waiting for rank 0: saving step_00000020, 12 s"; "" if none is busy.
std::string describe_busy(std::span<const RankDoing> ranks);

}  // namespace dure::comm
