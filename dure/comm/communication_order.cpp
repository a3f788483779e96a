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
// Calls body(access) for what a request writes: its output, but for this rank's
// own part of a gathered whole where that is the input already.
template <typename Body>
void for_each_written(const Request& request, const Body& body) {
  const auto* const first =
      static_cast<const std::byte*>(request.output.bytes());
  const std::byte* const last = first + request.output.size_bytes();
  const auto* own = static_cast<const std::byte*>(request.input.bytes());
  const std::byte* own_end = own + request.input.size_bytes();
  if (request.kind != Kind::kAllGather || own < first || own_end > last) {
    own = own_end = last;
  }
  const auto write = [&](const std::byte* from, const std::byte* to) {
    if (from != to) {
      body(StreamOrder::Access{.operation = name_of(request.kind),
                               .first = from,
                               .bytes = static_cast<std::size_t>(to - from),
                               .use = StreamOrder::Use::kWrite});
    }
  };
  write(first, own);
  write(own_end, last);
}

}  // namespace

CommunicationOrder::Started::Started(OrderLane& lane,
                                     const Stream& after,
                                     std::span<const Request> requests)
    : lane_(&lane), after_(&after), requests_(requests) {
  lane.wait(after.order()->point());
  for (const Request& request : requests) {
    lane.check(reading(request));
    for_each_written(request, [&](const auto& access) { lane.check(access); });
  }
}

void CommunicationOrder::Started::use_tensors() const {
  lane_->wait(after_->order()->point());
  for (const Request& request : requests_) {
    lane_->note(reading(request));
    for_each_written(request, [&](const auto& access) { lane_->note(access); });
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
