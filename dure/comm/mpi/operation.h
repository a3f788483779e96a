// Something that the engine carries out by and by.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <string>

#include "dure/comm/flight_recorder.h"
#include "dure/comm/mpi/channel.h"
#include "dure/comm/patience.h"
#include "dure/comm/work.h"

namespace dure::comm {

class MpiEngine;

class Operation : public Work::State {
 public:
  // Collectives of a channel run one after another.
  enum class Order : std::uint8_t { kAlone, kAfterOthers };

  Operation(std::shared_ptr<MpiEngine> engine,
            std::shared_ptr<Channel> channel,
            Order order);

  // The engine's side, under its lock.

  // Posts and tests what it can; true when done. Throws when it fails.
  virtual bool advance() = 0;
  // It has failed, and its tensors may die: takes back what can be taken back.
  virtual void abandon() noexcept = 0;
  virtual std::string describe() const = 0;
  // Of a communicator's collectives; 0 for what is none.
  std::uint64_t number() const { return number_; }
  void set_number(std::uint64_t number) { number_ = number; }
  Order order() const { return order_; }
  const std::shared_ptr<Channel>& channel() const { return channel_; }
  Patience& patience() { return patience_; }
  // Done, or failed with `error`. The last that the engine does with it.
  void settle(std::exception_ptr error);

  // The rank's side.
  bool done() override;
  double elapsed_seconds() override;

  bool settled() const { return settled_.load(std::memory_order_acquire); }

 protected:
  // What the flight recorder is told at the end.
  virtual void record(FlightRecorder::State /*state*/) {}

 private:
  void block() override;

  std::shared_ptr<MpiEngine> engine_;
  std::shared_ptr<Channel> channel_;
  Order order_;
  std::uint64_t number_ = 0;
  double start_;
  Patience patience_;
  std::atomic<bool> settled_ = false;
  std::exception_ptr error_;  // before settled_
  double end_ = 0;            // likewise
};

}  // namespace dure::comm
