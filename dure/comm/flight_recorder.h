// The last calls of a rank, for the table that is printed when one hangs.
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

  // Oldest first, at most kKept.
  std::vector<Call> calls() const;
  // "#12 all_reduce of 8 f32 on tensor, waiting for 3.1 s", or "nothing yet".
  std::string last() const;
  // One JSON object a line.
  std::string to_json_lines() const;

 private:
  mutable std::mutex mutex_;
  std::array<Call, kKept> calls_;
  std::uint64_t count_ = 0;
};

}  // namespace dure::comm
