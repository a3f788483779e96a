// A handle to communication that goes on while the caller does something else.
#pragma once

#include <memory>
#include <utility>

#include "dure/comm/flight_recorder.h"

namespace dure::comm {

// Copyable: all copies speak of one operation. Destroying the last one does not
// stop it: wait() before the tensors of the operation die.
class [[nodiscard]] Work {
 public:
  class State {
   public:
    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    virtual ~State() = default;
    virtual void wait() = 0;
    virtual bool done() = 0;
    virtual double elapsed_seconds() = 0;
  };

  Work() = default;
  explicit Work(std::shared_ptr<State> state) : state_(std::move(state)) {}
  // The recorder is told while a rank waits for it.
  Work(Work work, std::shared_ptr<FlightRecorder> recorder)
      : state_(std::move(work.state_)), recorder_(std::move(recorder)) {}

  // Blocks until done, and throws what the operation failed with (error.h).
  // May be called again. Of a default Work: nothing.
  void wait() const {
    if (state_ != nullptr) {
      const FlightRecorder::Waiting waiting(recorder_.get());
      state_->wait();
    }
  }

  // Whether wait() would return or throw at once.
  bool done() const { return state_ == nullptr || state_->done(); }

  // From the call that started it until it was done, or until now.
  double elapsed_seconds() const {
    return state_ == nullptr ? 0 : state_->elapsed_seconds();
  }

 private:
  std::shared_ptr<State> state_;
  std::shared_ptr<FlightRecorder> recorder_;
};

}  // namespace dure::comm
