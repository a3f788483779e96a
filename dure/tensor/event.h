// An event: a point in what a stream does, which another stream waits for.
#pragma once

#include <memory>
#include <utility>

namespace dure {

// Copyable: all copies speak of one point. A default Event is done. On the CPU
// the event of an operation is done when it is made, as an operation is when
// its launch returns; that of a collective when the collective is. On kSim an
// event is a time of the clock.
class Event {
 public:
  // What goes on beside a stream of the CPU, such as a collective.
  class Pending {
   public:
    Pending() = default;
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    virtual ~Pending() = default;

    // Returns when it is over, and throws what it failed with. May be called
    // again.
    virtual void wait() = 0;
  };

  Event() = default;
  explicit Event(double seconds) : seconds_(seconds) {}
  explicit Event(std::shared_ptr<Pending> pending)
      : pending_(std::move(pending)) {}

  // Whether there is anything to wait for: not of a default one.
  explicit operator bool() const { return pending_ != nullptr || seconds_ > 0; }

  // On kSim: when it is.
  double seconds() const { return seconds_; }

 private:
  friend class Stream;

  double seconds_ = 0;
  std::shared_ptr<Pending> pending_;
};

}  // namespace dure
