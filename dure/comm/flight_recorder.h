// A record of a rank's last calls, for the table that is printed when one
// hangs, and of its current activities (activity.h).
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "dure/comm/collective.h"

namespace dure::comm {

// Threads: any may add and read.
class FlightRecorder {
 public:
  static constexpr std::size_t kKept = 64;
  enum class State : std::uint8_t { kWaiting, kDone, kFailed };

  struct Call {
    std::uint64_t sequence = 0;  // of this kind of call on this rank's world
    std::string axis = {};
    Kind kind = Kind::kBarrier;
    DType dtype = DType::kF32;
    std::int64_t elements = 0;  // of the larger of x and y
    int root = 0;
    State state = State::kWaiting;
    double start_seconds = 0;  // monotonic_seconds()
    double end_seconds = 0;
  };

  // Returns the sequence number: 1 for the first call.
  std::uint64_t begin(const std::string& axis, const Request& request);
  void end(std::uint64_t sequence, State state);

  // Begins an activity within those begun before it.
  void begin_activity(std::string what);
  void end_activity();

  // While it lives the rank waits for others, so its activities do not count.
  // Does nothing without a recorder.
  class Waiting {
   public:
    explicit Waiting(FlightRecorder* recorder);
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting();

   private:
    FlightRecorder* recorder_;
  };

  struct Doing {
    static constexpr double kNever = 1e18;
    std::string what = {};  // the innermost activity; "": none
    double seconds = 0;     // since it began
    double ago = kNever;    // since the rank was last in an activity; 0: it is
    bool waits = false;     // for others

    bool is_busy() const { return ago == 0; }
  };
  Doing doing() const;

  // Oldest first, at most kKept.
  std::vector<Call> calls() const;
  // "last call: #12 all_reduce of 8 f32 on tensor, waiting for 3.1 s", or
  // "saving step_00000020 for 12.0 s; last call: nothing yet".
  std::string last() const;
  // One JSON object a line.
  std::string to_json_lines() const;

 private:
  struct Stated {
    std::string what;
    double start_seconds;
  };

  bool is_busy() const { return !activities_.empty() && waits_ == 0; }
  // Called before anything that may end the rank's being busy.
  void note_busy();
  std::string last_call() const;

  mutable std::mutex mutex_;
  std::array<Call, kKept> calls_;
  std::uint64_t count_ = 0;
  std::vector<Stated> activities_;  // the innermost last
  int waits_ = 0;
  double busy_until_ = -Doing::kNever;
};

}  // namespace dure::comm
