// An operation that the engine carries out step by step.
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
  // Called after a failure, when its tensors may die: takes back what it can.
  virtual void abandon() noexcept = 0;
  virtual std::string describe() const = 0;
  // Its number among a communicator's collectives; 0 if it is no collective.
  std::uint64_t number() const { return number_; }
  void set_number(std::uint64_t number) { number_ = number; }
  Order order() const { return order_; }
  const std::shared_ptr<Channel>& channel() const { return channel_; }
  Patience& patience() { return patience_; }
  // Marks it as done, or as failed with `error`. The engine's last call for it.
  void settle(std::exception_ptr error);

  // The rank's side.
  bool done() override;
  double elapsed_seconds() override;

  bool settled() const { return settled_.load(std::memory_order_acquire); }

 protected:
  // Tells the flight recorder how it ended.
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
  std::exception_ptr error_;  // written before settled_
  double end_ = 0;            // written before settled_
};

}  // namespace dure::comm
