#include "dure/comm/communication_order.h"

#include <algorithm>

namespace dure::comm {
namespace {

StreamOrder::Access reading(const Request& request) {
  return {.operation = name_of(request.kind),
          .first = request.input.bytes(),
          .bytes = request.input.size_bytes(),
          .use = StreamOrder::Use::kRead};
}
StreamOrder::Access writing(const Request& request) {
  return {.operation = name_of(request.kind),
          .first = request.output.bytes(),
          .bytes = request.output.size_bytes(),
          .use = StreamOrder::Use::kWrite};
}

}  // namespace

CommunicationOrder::Started::Started(OrderLane& lane,
                                     const Stream& after,
                                     std::span<const Request> requests)
    : lane_(&lane), after_(&after), requests_(requests) {
  lane.wait(after.order()->point());
  for (const Request& request : requests) {
    lane.check(reading(request));
    lane.check(writing(request));
  }
}

void CommunicationOrder::Started::use_tensors() const {
  lane_->wait(after_->order()->point());
  for (const Request& request : requests_) {
    lane_->note(reading(request));
    lane_->note(writing(request));
  }
}

void CommunicationOrder::Started::end(Work& work) const {
  if (lane_ != nullptr) {
    use_tensors();
    lane_->wait(work.event().order());  // that of a communicator inside
    work.set_order(lane_->point());
  }
}

void CommunicationOrder::Started::end(Stream& stream) const {
  if (lane_ != nullptr) {
    use_tensors();
    stream.order()->wait(lane_->point());
  }
}

CommunicationOrder::Started CommunicationOrder::start(
    const Stream& after, std::span<const Request> requests) {
  if (after.order() == nullptr || requests.empty()) {
    return {};
  }
  Lanes& lanes = lanes_of(after);
  OrderLane& lane = is_message(requests.front().kind)
                        ? message_lane(lanes, after)
                        : lanes.collectives;
  return {lane, after, requests};
}

CommunicationOrder::Lanes& CommunicationOrder::lanes_of(const Stream& after) {
  const std::shared_ptr<StreamOrder>& order = after.order()->order();
  const auto known = lanes_.find(order.get());
  return known != lanes_.end()
             ? known->second
             : lanes_
                   .emplace(
                       order.get(),
                       Lanes{.collectives = OrderLane(
                                 order,
                                 "the collectives of " + axis_ + " (lane {})")})
                   .first->second;
}

// A lane whose last message is over for the stream serves again, because all
// that it does from now on comes after the stream.
OrderLane& CommunicationOrder::message_lane(Lanes& lanes, const Stream& after) {
  const auto free = std::ranges::find_if(
      lanes.messages,
      [&](const OrderLane& one) { return after.order()->is_after(one); });
  return free != lanes.messages.end()
             ? *free
             : lanes.messages.emplace_back(
                   after.order()->order(),
                   "a message of " + axis_ + " (lane {})");
}

}  // namespace dure::comm
