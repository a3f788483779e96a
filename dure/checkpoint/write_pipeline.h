// Pieces of files on their way to the disk: one thread asks for them, while
// others sum and write those that are there.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "dure/base/files.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/parallel_io.h"

namespace dure::checkpoint {

// Where a piece goes. Pieces are summed in the order in which they come and
// written in any order.
struct PieceTarget {
  AtomicFile* file = nullptr;
  std::uint64_t offset = 0;
  Xxh64* sum = nullptr;
};

// All functions are for one thread, on which the pieces' owners are released.
// It works along whenever it has to wait. The next function rethrows what a sum
// or a write throws; after that the pipeline can only be destroyed.
class WritePipeline {
 public:
  WritePipeline();
  WritePipeline(const WritePipeline&) = delete;
  WritePipeline& operator=(const WritePipeline&) = delete;
  ~WritePipeline();

  // Returns when at most kInFlightBytes - `bytes`, or nothing, is held.
  void make_room(std::uint64_t bytes);
  void push(const PieceTarget& target, PieceBytes piece);
  // Returns when everything is summed and written.
  void finish();

 private:
  struct Item {
    PieceTarget target;
    PieceBytes piece;
    int steps = 2;  // left: the sum, the write
  };
  using Lock = std::unique_lock<std::mutex>;

  void work();
  bool do_one(Lock& lock);
  template <typename Step>
  void run(Lock& lock, Item& item, const Step& step);
  void work_until_held(Lock& lock, std::uint64_t most);
  Item& item(std::size_t number) { return items_[number - retired_]; }
  std::size_t end() const { return retired_ + items_.size(); }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;  // those that came after the first `retired_`
  std::size_t retired_ = 0;
  std::size_t next_sum_ = 0;
  std::size_t next_write_ = 0;
  std::uint64_t held_ = 0;
  enum class Summing : std::uint8_t { kNo, kYes } summing_ = Summing::kNo;
  enum class State : std::uint8_t { kOpen, kClosed } state_ = State::kOpen;
  std::exception_ptr error_;
  std::vector<std::jthread> workers_;
};

}  // namespace dure::checkpoint
