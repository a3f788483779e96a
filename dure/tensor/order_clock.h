// A vector clock: what is known to be over, of each lane of work.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace dure {

// A lane is work that is done in its order, such as a stream's. Its points are
// counted from 1.
using LaneNumber = std::uint64_t;
using LaneTime = std::uint64_t;

class OrderClock {
 public:
  // The last point of the lane that is known to be over; 0: none is.
  LaneTime of(LaneNumber lane) const {
    const auto at = std::ranges::lower_bound(times_, lane, {}, &Time::first);
    return at != times_.end() && at->first == lane ? at->second : 0;
  }

  void raise(LaneNumber lane, LaneTime time) {
    const auto at = std::ranges::lower_bound(times_, lane, {}, &Time::first);
    if (at == times_.end() || at->first != lane) {
      times_.insert(at, {lane, time});
    } else {
      at->second = std::max(at->second, time);
    }
  }

  void join(const OrderClock& other) {
    for (const auto& [lane, time] : other.times_) {
      raise(lane, time);
    }
  }

 private:
  using Time = std::pair<LaneNumber, LaneTime>;

  std::vector<Time> times_;  // by lane
};

// The clock of a point of a lane; null: nothing is known of it.
using OrderPoint = std::shared_ptr<const OrderClock>;

}  // namespace dure
