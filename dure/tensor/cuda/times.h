// When a stream's work ran, by the device's own clock.
#pragma once

#include <cstdint>
#include <deque>

#include "dure/base/trace.h"
#include "dure/tensor/event.h"

namespace dure {

// A stretch of work lies between two timed events. Its times are read when the
// device has done it, so the host never waits for them. They are given on the
// machine's clock: of one event, for which the host waits, it knows when it
// was; later ones follow from the last that was read, because CUDA gives the
// time between two events in single precision.
class CudaTimes {
 public:
  // An event that was recorded just now. Blocks the host until it is passed.
  void begin(const Event& now);
  bool has_begun() const { return static_cast<bool>(known_); }

  // Notes in the trace, when finish() counts it, what the device did between
  // two timed events of one stream.
  void add(const Event& start,
           const Event& end,
           Trace& trace,
           const TraceEvent& event);

  // The stretches that were added so far.
  std::int64_t added() const { return finished_ + std::ssize(in_flight_); }

  // The device has done the first `count` stretches.
  void finish(std::int64_t count);

 private:
  struct Stretch {
    Event start;
    Event end;
    Trace* trace;
    TraceEvent event;
  };

  // Takes and returns how far the device's clock is ahead.
  double record(Stretch& stretch, double ahead);

  std::deque<Stretch> in_flight_;
  std::int64_t finished_ = 0;
  Event known_;  // the last point whose time was read
  double known_seconds_ = 0;
};

}  // namespace dure
