// Work on many threads that looks like a loop on one: items enter one after
// another, are worked on in parallel, and leave in the order in which they
// entered. Memory is bounded: at most a few items a worker are in flight.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "dure/base/check.h"

namespace dure::data {

// source(in) fills the next item, and returns false after the last; one thread
// calls it. work(worker, in) turns it into an Out; `workers` threads call it.
// sink(out) takes the results in order; the thread that calls run() calls it.
//
// An exception from any of them ends the run and leaves run(). If there are
// several, it is that of the first item, as in a loop on one thread.
template <typename In, typename Out>
class OrderedPipeline {
 public:
  using Source = std::function<bool(In&)>;
  using Work = std::function<Out(int worker, In& in)>;
  using Sink = std::function<void(Out&)>;

  OrderedPipeline(Source source, Work work, Sink sink)
      : source_(std::move(source)),
        work_(std::move(work)),
        sink_(std::move(sink)) {}

  void run(int workers) {
    most_under_way_ = kItemsPerWorker * static_cast<std::uint64_t>(workers);
    std::vector<std::jthread> threads;
    const Closer closer{*this};  // before the threads are joined
    threads.reserve(workers + 1);
    threads.emplace_back([this] { read(); });
    for (int worker = 0; worker < workers; ++worker) {
      threads.emplace_back([this, worker] { work(worker); });
    }
    drain();
    close();
  }

 private:
  static constexpr std::uint64_t kItemsPerWorker = 4;
  using Result = std::variant<Out, std::exception_ptr>;

  struct Closer {
    OrderedPipeline& pipeline;
    ~Closer() { pipeline.close(); }
  };

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

  // Gives the item the next number, and calls give(number). Returns false once
  // closed.
  template <typename Give>
  bool put(const Give& give) {
    const std::lock_guard lock(mutex_);
    give(taken_in_++);
    changed_.notify_all();
    return !closed_;
  }

  void read() {
    for (bool more = true; more;) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] {
          return closed_ || taken_in_ - given_out_ < most_under_way_;
        });
        if (closed_) {
          return;
        }
      }
      more = read_one();
    }
    const std::lock_guard lock(mutex_);
    all_in_ = true;
    changed_.notify_all();
  }

  bool read_one() {
    In in{};
    try {
      return source_(in) && put([&](std::uint64_t number) {
               todo_.emplace_back(number, std::move(in));
             });
    } catch (...) {  // is rethrown in the item's place
      put([&](std::uint64_t number) {
        done_.emplace(number, std::current_exception());
      });
      return false;
    }
  }

  void work(int worker) {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock,
                    [this] { return closed_ || all_in_ || !todo_.empty(); });
      if (closed_ || todo_.empty()) {
        return;
      }
      auto [number, in] = std::move(todo_.front());
      todo_.pop_front();
      lock.unlock();
      Result result = result_of(worker, in);
      lock.lock();
      done_.emplace(number, std::move(result));
      changed_.notify_all();
    }
  }

  Result result_of(int worker, In& in) {
    try {
      return work_(worker, in);
    } catch (...) {
      return std::current_exception();
    }
  }

  void drain() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] {
        return done_.contains(given_out_) ||
               (all_in_ && given_out_ == taken_in_);
      });
      if (!done_.contains(given_out_)) {
        return;
      }
      auto result = std::move(done_.extract(given_out_).mapped());
      ++given_out_;
      changed_.notify_all();
      lock.unlock();
      if (auto* error = std::get_if<std::exception_ptr>(&result)) {
        std::rethrow_exception(*error);
      }
      sink_(std::get<Out>(result));
    }
  }

  Source source_;
  Work work_;
  Sink sink_;
  std::uint64_t most_under_way_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<std::uint64_t, In>> todo_;
  std::map<std::uint64_t, Result> done_;
  std::uint64_t taken_in_ = 0;
  std::uint64_t given_out_ = 0;
  bool all_in_ = false;
  bool closed_ = false;
};

}  // namespace dure::data
