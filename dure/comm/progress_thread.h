// A thread that carries out posted tasks in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "dure/comm/work.h"

namespace dure::comm {

// Threads: post() and idle() are called by one thread. Destruction waits for
// all posted tasks.
class ProgressThread {
 public:
  ProgressThread();
  ProgressThread(const ProgressThread&) = delete;
  ProgressThread& operator=(const ProgressThread&) = delete;
  ~ProgressThread();

  std::shared_ptr<Work::State> post(std::function<void()> task);

  // Whether all posted tasks are done.
  bool idle() const;

 private:
  class Task;
  void serve();

  mutable std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::shared_ptr<Task>> tasks_;  // the first one runs
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace dure::comm
