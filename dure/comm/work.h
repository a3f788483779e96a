// A handle to communication that runs while the caller does something else.
#pragma once

#include <memory>
#include <utility>

#include "dure/comm/flight_recorder.h"
#include "dure/tensor/stream.h"

namespace dure::comm {

// Copyable: all copies stand for one operation. A default Work is done.
// Destroying the last copy does not stop the operation: a stream must wait for
// it before the operation's tensors die.
class [[nodiscard]] Work {
 public:
  // An operation that is carried out beside the rank's thread.
  class State : public Event::Pending {
   public:
    // The recorder that is told while the rank waits for it.
    void set_recorder(std::shared_ptr<FlightRecorder> recorder) {
      recorder_ = std::move(recorder);
    }
    void wait() final {
      const FlightRecorder::Waiting waiting(recorder_.get());
      block();
    }
    virtual bool done() = 0;
    virtual double elapsed_seconds() = 0;

   protected:
    // The back end's part of wait().
    virtual void block() = 0;

   private:
    std::shared_ptr<FlightRecorder> recorder_;
  };

  Work() = default;
  explicit Work(std::shared_ptr<State> state) : state_(std::move(state)) {}
  // The Work of a simulated operation: two times of a clock.
  Work(double start_seconds, double end_seconds)
      : end_(end_seconds), seconds_(end_seconds - start_seconds) {}

  // The event of its end.
  Event event() const {
    Event event = state_ == nullptr ? end_ : Event(state_);
    event.set_order(order_);
    return event;
  }
  // The clock of its end, for the check of the order of streams.
  void set_order(OrderPoint point) { order_ = std::move(point); }

  // Makes the work that the stream is given from now on begin after it. A CPU
  // stream blocks until it is done, and throws its error (error.h). May be
  // called again.
  void wait(Stream& stream) const { stream.wait(event()); }

  // Whether a CPU stream's wait() would return or throw at once.
  bool done() const { return state_ == nullptr || state_->done(); }

  // The time from the call that started it until it was done, or until now. A
  // simulated one has the time that it will take.
  double elapsed_seconds() const {
    return state_ == nullptr ? seconds_ : state_->elapsed_seconds();
  }

  void set_recorder(std::shared_ptr<FlightRecorder> recorder) const {
    if (state_ != nullptr) {
      state_->set_recorder(std::move(recorder));
    }
  }

 private:
  std::shared_ptr<State> state_;
  Event end_;
  double seconds_ = 0;
  OrderPoint order_;
};

}  // namespace dure::comm
