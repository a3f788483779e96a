// A communicator's place in the check of the order of streams
// (tensor/stream_order.h).
//
// Its collectives are one lane, as they run one after another. Each message
// that is in flight has a lane of its own.
#pragma once

#include <deque>
#include <map>
#include <span>
#include <string>

#include "dure/comm/collective.h"
#include "dure/comm/work.h"
#include "dure/tensor/stream.h"

namespace dure::comm {

// Belongs to one rank.
class CommunicationOrder {
 public:
  // The communicator's name in errors.
  explicit CommunicationOrder(std::string axis) : axis_(std::move(axis)) {}

  // Requests that are carried out together, and their lane. Their tensors are
  // checked when this is made, and used when it is told so.
  class Started {
   public:
    Started() = default;  // checks nothing
    // Throws Error as OrderLane::check() does.
    Started(OrderLane& lane,
            const Stream& after,
            std::span<const Request> requests);

    // The communication uses its tensors until `work` is done.
    void end(Work& work) const;
    // It has been carried out in the stream's order.
    void end(Stream& stream) const;

   private:
    void use_tensors() const;

    OrderLane* lane_ = nullptr;
    const Stream* after_ = nullptr;
    std::span<const Request> requests_;
  };

  // Begins after what the stream was given, both of which outlive the result.
  Started start(const Stream& after, std::span<const Request> requests);

 private:
  struct Lanes {
    OrderLane collectives;
    std::deque<OrderLane> messages = {};  // whose references stay valid
  };

  Lanes& lanes_of(const Stream& after);
  OrderLane& message_lane(Lanes& lanes, const Stream& after);

  std::string axis_;
  // By the check that the stream takes part in: a host stream of its own may
  // have another one than the rank's.
  std::map<const StreamOrder*, Lanes> lanes_;
};

}  // namespace dure::comm
