// A handle to communication that goes on while the caller does something else.
#pragma once

#include <memory>
#include <utility>

#include "dure/comm/flight_recorder.h"
#include "dure/tensor/stream.h"

namespace dure::comm {

// Copyable: all copies speak of one operation, and a default Work of one that
// is done. Destroying the last copy does not stop the operation: a stream waits
// for it before the tensors of the operation die.
class [[nodiscard]] Work {
 public:
  // An operation that is carried out beside the rank's thread.
  class State : public Event::Pending {
   public:
    // Who is told while the rank waits for it.
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
    // wait(), of the back end.
    virtual void block() = 0;

   private:
    std::shared_ptr<FlightRecorder> recorder_;
  };

  Work() = default;
  explicit Work(std::shared_ptr<State> state) : state_(std::move(state)) {}
  // Of a simulated operation: two times of a clock.
  Work(double start_seconds, double end_seconds)
      : end_(end_seconds), seconds_(end_seconds - start_seconds) {}

  // When it is done.
  Event event() const { return state_ == nullptr ? end_ : Event(state_); }

  // What the stream is given from now on begins after it. On a CPU stream:
  // blocks until it is done, and throws what it failed with (error.h). May be
  // called again.
  void wait(Stream& stream) const { stream.wait(event()); }

  // Whether a CPU stream's wait() would return or throw at once.
  bool done() const { return state_ == nullptr || state_->done(); }

  // From the call that started it until it was done, or until now; of a
  // simulated one, until it will be.
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
};

}  // namespace dure::comm
