#include "dure/checkpoint/write_pipeline.h"

#include <utility>

namespace dure::checkpoint {

WritePipeline::WritePipeline() {
  for (unsigned i = 1; i < io_threads(); ++i) {
    workers_.emplace_back([this] { work(); });
  }
}

WritePipeline::~WritePipeline() {
  {
    const Lock lock(mutex_);
    state_ = State::kClosed;
  }
  changed_.notify_all();
  workers_.clear();
}

void WritePipeline::make_room(std::uint64_t bytes) {
  Lock lock(mutex_);
  work_until_held(lock, bytes < kInFlightBytes ? kInFlightBytes - bytes : 0);
}

void WritePipeline::push(const PieceTarget& target, PieceBytes piece) {
  {
    const Lock lock(mutex_);
    held_ += piece.bytes.size();
    items_.push_back({target, std::move(piece)});
  }
  changed_.notify_all();
}

void WritePipeline::finish() {
  Lock lock(mutex_);
  work_until_held(lock, 0);
}

void WritePipeline::work_until_held(Lock& lock, std::uint64_t most) {
  while (true) {
    if (error_) {
      std::rethrow_exception(error_);
    }
    while (!items_.empty() && items_.front().steps == 0) {
      held_ -= items_.front().piece.bytes.size();
      items_.pop_front();
      ++retired_;
    }
    if (held_ <= most) {
      return;
    }
    if (!do_one(lock)) {
      changed_.wait(lock);
    }
  }
}

void WritePipeline::work() {
  Lock lock(mutex_);
  while (state_ == State::kOpen) {
    if (!do_one(lock)) {
      changed_.wait(lock);
    }
  }
}

// Does a step of some item, with the lock released meanwhile; false if there is
// none. Sums come first, because they are made one after another and must not
// fall behind.
bool WritePipeline::do_one(Lock& lock) {
  if (error_) {
    return false;
  }
  if (summing_ == Summing::kNo && next_sum_ < end()) {
    summing_ = Summing::kYes;
    run(lock, item(next_sum_++), [](const Item& item) {
      item.target.sum->add(item.piece.bytes);
    });
    summing_ = Summing::kNo;
    return true;
  }
  if (next_write_ < end()) {
    run(lock, item(next_write_++), [](const Item& item) {
      item.target.file->write_at(
          item.target.offset, item.piece.bytes.data(), item.piece.bytes.size());
    });
    return true;
  }
  return false;
}

template <typename Step>
void WritePipeline::run(Lock& lock, Item& item, const Step& step) {
  std::exception_ptr error;
  lock.unlock();
  try {
    step(item);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  --item.steps;
  error_ = error_ ? error_ : error;
  changed_.notify_all();
}

}  // namespace dure::checkpoint
