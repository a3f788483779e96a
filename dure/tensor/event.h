// An event: a point in a stream's work, for which another stream can wait.
#pragma once

#include <memory>
#include <utility>

#include "dure/tensor/order_clock.h"

namespace dure {

class DeviceQueue;

// Copyable: all copies stand for one point. A default Event is done. On the CPU
// an operation is done when its launch returns, so its event is done when it is
// made; a collective's event is done when the collective is. On kCuda an event
// is the device's. On kSim it is a time of the clock.
class Event {
 public:
  // Work that goes on beside the host, such as a collective or a GPU's.
  class Pending {
   public:
    Pending() = default;
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    virtual ~Pending() = default;

    // Returns when the work is over, and throws its error. May be called again.
    virtual void wait() = 0;

    // Lets the later work of a device's queue begin after this work. Work of
    // the host must be over for that.
    virtual void hold(DeviceQueue& /*queue*/) { wait(); }
  };

  Event() = default;
  explicit Event(double seconds) : seconds_(seconds) {}
  explicit Event(std::shared_ptr<Pending> pending)
      : pending_(std::move(pending)) {}

  // Whether there is anything to wait for. A default event has nothing.
  explicit operator bool() const {
    return pending_ != nullptr || seconds_ > 0 || order_ != nullptr;
  }

  // The event's time on kSim, and of a mark() on the CPU.
  double seconds() const { return seconds_; }

  // The work that goes on beside the host; null: none.
  Pending* pending() const { return pending_.get(); }

  // The event's clock, for the check of the order of streams (stream_order.h);
  // null: nothing is checked.
  const OrderPoint& order() const { return order_; }
  void set_order(OrderPoint point) { order_ = std::move(point); }

 private:
  double seconds_ = 0;
  std::shared_ptr<Pending> pending_;
  OrderPoint order_;
};

}  // namespace dure
