// The shared state of one communicator of threads: each rank has a seat, where
// it lays down its request and the others read it.
//
// A collective has three phases: lay down the request and wait until all have;
// read and write one's share of the peers' memory; wait until all are done. A
// small one lays its data down with the request, and nobody waits at the end:
// two slots alternate, and a rank that comes to the next collective but one
// knows that all have read the first.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "dure/comm/agreement.h"
#include "dure/comm/threads/watch.h"

namespace dure::comm {

class Team {
 public:
  static constexpr std::size_t kSmallBytes = 256;

  struct Slot {
    Header header;
    const Request* request = nullptr;
    alignas(16) std::array<std::byte, kSmallBytes> data;
  };

  // Aligned so that no two ranks write to one cache line.
  struct alignas(128) RankState {
    std::atomic<std::uint64_t> arrived = 0;
    std::atomic<std::uint64_t> left = 0;
    std::atomic<bool> busy = false;  // reads or writes peers' memory
    alignas(128) std::array<Slot, 2> slots;
  };

  Team(int size, std::shared_ptr<Watch> watch);

  int size() const { return static_cast<int>(rank_states_.size()); }
  AbortFlag& fate() { return watch_->fate(); }

  // The rank's flight recorder, for the table of a timeout.
  void introduce(int rank, std::shared_ptr<const FlightRecorder> recorder);

  // Lays down the request of `rank`'s count-th collective, and waits for all
  // others. Throws Timeout or Aborted.
  void arrive(int rank, std::uint64_t count, const Request& request);

  // Waits until all have left. From then on the peers' requests are gone.
  void leave(int rank, std::uint64_t count);

  // Waits until ready(). Throws Timeout, saying what `rank` waits for, or
  // Aborted.
  template <typename Ready>
  void wait_for(int rank, const std::string& what, const Ready& ready) {
    const Waited waited = watch_->wait(ready);
    if (waited == Waited::kStopped) {
      fate().raise();
    }
    if (waited == Waited::kTimedOut) {
      time_out(rank, what);
    }
  }

  const Slot& slot(int rank, std::uint64_t count) const {
    return rank_states_[rank].slots[count % 2];
  }

  // While it lives, this rank's peers do not give up their memory.
  class Access {
   public:
    Access(Team& team, int rank);
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;
    ~Access();

   private:
    RankState& state_;
  };

  // Fails the run, and waits until no peer touches this rank's memory. A peer
  // that has not begun sees the failure first.
  void fail(int rank, const std::string& message);

 private:
  void wait_for_all(int rank,
                    std::uint64_t count,
                    std::atomic<std::uint64_t> RankState::*mark);
  [[noreturn]] void time_out(int rank, const std::string& what);
  void wait_for_busy() const;
  std::string table(int rank, std::uint64_t count) const;
  std::shared_ptr<const FlightRecorder> recorder_of(int rank) const;
  void write_flight_recorders() const;

  std::vector<RankState> rank_states_;
  std::shared_ptr<Watch> watch_;
  mutable std::mutex mutex_;  // of what follows
  std::vector<std::shared_ptr<const FlightRecorder>> recorders_;
};

// Whether the data of a request travels with it. All ranks get the same answer.
bool is_small(const Request& request);

}  // namespace dure::comm
