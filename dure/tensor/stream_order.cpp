#include "dure/tensor/stream_order.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/core.h>
#include <iterator>
#include <string_view>
#include <utility>

#include "dure/base/check.h"

namespace dure {
namespace {

using Use = StreamOrder::Use;

const char* does(Use use) {
  return use == Use::kRead    ? "reads"
         : use == Use::kWrite ? "writes"
                              : "takes from the arena";
}
const char* did(Use use) {
  return use == Use::kRead    ? "read"
         : use == Use::kWrite ? "wrote"
                              : "took from the arena";
}

bool is_wanted() {
  const char* const text = std::getenv("DURE_CHECK_STREAMS");
  return text != nullptr && std::string_view(text) == "1";
}

const std::byte* begin_of(const StreamOrder::Access& access) {
  return static_cast<const std::byte*>(access.first);
}
const std::byte* end_of(const StreamOrder::Access& access) {
  return begin_of(access) + access.bytes;
}

}  // namespace

std::shared_ptr<StreamOrder> StreamOrder::of_thread() {
  static const bool wanted = is_wanted();
  if (!wanted) {
    return nullptr;
  }
  thread_local const auto order = std::make_shared<StreamOrder>();
  return order;
}

void StreamOrder::watch(const void* first, std::size_t bytes) {
  const std::scoped_lock lock(lock_);
  const auto* const begin = static_cast<const std::byte*>(first);
  cells_.insert_or_assign(begin, Cell{.last = begin + bytes});
  ranges_.insert_or_assign(begin, begin + bytes);
}

void StreamOrder::forget(const void* first) {
  const std::scoped_lock lock(lock_);
  const auto range = ranges_.find(static_cast<const std::byte*>(first));
  cells_.erase(cells_.lower_bound(range->first),
               cells_.lower_bound(range->second));
  ranges_.erase(range);
}

void StreamOrder::host_waits(const OrderPoint& point) {
  if (point != nullptr) {
    const std::scoped_lock lock(lock_);
    host_.join(*point);
  }
}

// Whatever is launched later comes after the read, so it need not be noted.
void StreamOrder::host_reads(const Access& access) {
  check({.number = 0, .name = "the host"}, {}, access);
}

std::shared_ptr<const StreamOrder::Lane> StreamOrder::make_lane(
    const std::string& name) {
  const std::scoped_lock lock(lock_);
  const LaneNumber number = ++lanes_;
  return std::make_shared<const Lane>(
      Lane{.number = number, .name = fmt::format(fmt::runtime(name), number)});
}

// Cuts the cell that holds the byte, if there is one, before it.
void StreamOrder::split(const std::byte* at) {
  const auto after = cells_.upper_bound(at);
  if (after == cells_.begin()) {
    return;
  }
  const auto holds = std::prev(after);
  if (holds->first < at && at < holds->second.last) {
    Cell behind = holds->second;
    holds->second.last = at;
    cells_.emplace_hint(after, at, std::move(behind));
  }
}

// The first cell that holds bytes of the access, or a later one.
StreamOrder::Cells::iterator StreamOrder::first_cell(const Access& access) {
  const auto after = cells_.upper_bound(begin_of(access));
  if (after != cells_.begin()) {
    const auto before = std::prev(after);
    if (before->second.last > begin_of(access)) {
      return before;
    }
  }
  return after;
}

bool StreamOrder::is_over(const Used& used,
                          const Lane& lane,
                          const OrderClock& clock) {
  return used.lane == nullptr || used.lane->number == lane.number ||
         clock.of(used.lane->number) >= used.until ||
         host_.of(used.lane->number) >= used.until;
}

// The use that a new one conflicts with and that is not over; null: none.
const StreamOrder::Used* StreamOrder::conflict(const Cell& cell,
                                               Use use,
                                               const Lane& lane,
                                               const OrderClock& clock) {
  if (!is_over(cell.written, lane, clock)) {
    return &cell.written;
  }
  if (use == Use::kRead) {
    return nullptr;
  }
  const auto read = std::ranges::find_if(cell.reads, [&](const Used& used) {
    return !is_over(used, lane, clock);
  });
  return read == cell.reads.end() ? nullptr : &*read;
}

void StreamOrder::check(const Lane& lane,
                        const OrderClock& clock,
                        const Access& access) {
  const std::scoped_lock lock(lock_);
  for (auto at = first_cell(access);
       at != cells_.end() && at->first < end_of(access);
       ++at) {
    const Used* const before = conflict(at->second, access.use, lane, clock);
    if (before != nullptr) {
      const auto* const first = std::max(at->first, begin_of(access));
      throw Error(
          "{} on {} {} {} bytes at {}, which {} on {} {} before, and no event "
          "orders the two: record one on {} after {}, and let {} wait for it",
          access.operation,
          lane.name,
          does(access.use),
          std::min(at->second.last, end_of(access)) - first,
          static_cast<const void*>(first),
          before->operation,
          before->lane->name,
          did(before->use),
          before->lane->name,
          before->operation,
          lane.name);
    }
  }
}

// Cells that are written become one: they have the same history from here on.
void StreamOrder::note(const Used& used, const Access& access) {
  const std::scoped_lock lock(lock_);
  split(begin_of(access));
  split(end_of(access));
  const auto first = cells_.lower_bound(begin_of(access));
  const auto last = cells_.lower_bound(end_of(access));
  if (first == last) {
    return;  // no memory of an arena
  }
  if (access.use != Use::kRead) {
    first->second = {.last = std::prev(last)->second.last, .written = used};
    cells_.erase(std::next(first), last);
    return;
  }
  for (auto at = first; at != last; ++at) {
    std::vector<Used>& reads = at->second.reads;
    const auto mine = std::ranges::find_if(reads, [&](const Used& read) {
      return read.lane->number == used.lane->number;
    });
    if (mine == reads.end()) {
      reads.push_back(used);
    } else {
      *mine = used;
    }
  }
}

OrderLane::OrderLane(std::shared_ptr<StreamOrder> order,
                     const std::string& name)
    : order_(std::move(order)), lane_(order_->make_lane(name)) {}

void OrderLane::check(const StreamOrder::Access& access) const {
  order_->check(*lane_, clock_, access);
}

void OrderLane::note(const StreamOrder::Access& access) {
  is_used_ = true;
  order_->note({.lane = lane_,
                .until = points_ + 1,
                .operation = access.operation,
                .use = access.use},
               access);
}

// Clocks name only lanes that have used something, so that they stay short.
OrderPoint OrderLane::point() {
  if (std::exchange(is_used_, false)) {
    clock_.raise(lane_->number, ++points_);
  }
  return std::make_shared<const OrderClock>(clock_);
}

void OrderLane::wait(const OrderPoint& point) {
  if (point != nullptr) {
    clock_.join(*point);
  }
}

bool OrderLane::is_after(const OrderLane& other) const {
  return !other.is_used_ && clock_.of(other.lane_->number) >= other.points_;
}

}  // namespace dure
