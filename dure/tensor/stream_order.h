// A check of the order of streams, by vector clocks [Flanagan and Freund,
// "FastTrack", section 2].
//
// It knows the work of a rank as lanes: each stream is one, each communicator's
// collectives are one, and the host is one. Operations say which
// tensors they read and write. Where two lanes use the same bytes, and one of
// them writes, an event must order them, on every device: on a CPU a launch has
// done its work when it returns, but on a GPU it has not. Otherwise the later
// use is an Error that names both.
//
// Only the memory of arenas is watched. To take a block is to write it in the
// order of the arena's home stream: so a block that was given back while
// another stream still used it is found when it is taken again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dure/tensor/order_clock.h"

namespace dure {

class OrderLane;

// Threads: any.
class StreamOrder {
 public:
  // The check of the calling thread's streams if the environment variable
  // DURE_CHECK_STREAMS is 1, and else null: nothing is checked. A rank is one
  // thread, so that each rank has its own.
  static std::shared_ptr<StreamOrder> of_thread();

  enum class Use : std::uint8_t { kRead, kWrite, kTake };
  struct Access {
    const char* operation;  // of static storage
    const void* first = nullptr;
    std::size_t bytes = 0;
    Use use = Use::kRead;
  };

  // An arena's range of addresses is watched until it is forgotten.
  void watch(const void* first, std::size_t bytes);
  void forget(const void* first);

  // The work before the point is over for the host, and so for whatever is
  // launched from now on.
  void host_waits(const OrderPoint& point);
  // The host itself reads the bytes. Throws Error as OrderLane::check() does.
  void host_reads(const Access& access);

  // A number that no other simulated memory has, for addresses of its own.
  std::uint64_t next_simulated_memory() { return simulated_memories_++; }

 private:
  friend class OrderLane;
  struct Lane {
    LaneNumber number = 0;  // from 1; the host's is 0
    std::string name;
  };
  // A lane's use of bytes, which is over at a point of the lane.
  struct Used {
    std::shared_ptr<const Lane> lane;  // null: there is none
    LaneTime until = 0;
    const char* operation = nullptr;
    Use use = Use::kRead;
  };
  // Bytes with one history.
  struct Cell {
    const std::byte* last;  // one past the end
    Used written = {};
    std::vector<Used> reads = {};  // since then, the last of each lane
  };
  using Cells = std::map<const std::byte*, Cell>;  // by first byte

  std::shared_ptr<const Lane> make_lane(const std::string& name);
  void check(const Lane& lane, const OrderClock& clock, const Access& access);
  void note(const Used& used, const Access& access);
  bool is_over(const Used& used, const Lane& lane, const OrderClock& clock);
  const Used* conflict(const Cell& cell,
                       Use use,
                       const Lane& lane,
                       const OrderClock& clock);
  Cells::iterator first_cell(const Access& access);
  void split(const std::byte* at);

  std::mutex lock_;
  Cells cells_;
  std::map<const std::byte*, const std::byte*> ranges_;  // that are watched
  LaneNumber lanes_ = 0;
  OrderClock host_;
  std::atomic<std::uint64_t> simulated_memories_ = 0;
};

// Work that is done in its order, and what it knows to be over. Belongs to one
// rank.
class OrderLane {
 public:
  // Errors call it `name`, with a "{}" in it replaced by the lane's number.
  OrderLane(std::shared_ptr<StreamOrder> order, const std::string& name);

  // Throws Error if there is a use of the bytes that conflicts with this one
  // and that no event has ordered before it.
  void check(const StreamOrder::Access& access) const;
  // From now on the bytes are used by this lane's work so far.
  void note(const StreamOrder::Access& access);

  // The point after its work so far.
  OrderPoint point();
  // Whatever the lane does from now on comes after the point.
  void wait(const OrderPoint& point);
  // Whether all work of the other lane is over for this one.
  bool is_after(const OrderLane& other) const;

  const std::shared_ptr<StreamOrder>& order() const { return order_; }

 private:
  std::shared_ptr<StreamOrder> order_;
  std::shared_ptr<const StreamOrder::Lane> lane_;
  OrderClock clock_;
  LaneTime points_ = 0;
  bool is_used_ = false;  // since the last point
};

}  // namespace dure
