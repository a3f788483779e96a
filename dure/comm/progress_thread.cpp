#include "dure/comm/progress_thread.h"

#include <exception>
#include <utility>

#include "dure/base/trace.h"

namespace dure::comm {

class ProgressThread::Task final : public Work::State {
 public:
  explicit Task(std::function<void()> body) : body_(std::move(body)) {}

  void run() {
    std::exception_ptr error;
    try {
      body_();
    } catch (...) {
      error = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      error_ = error;
      done_ = true;
      end_ = monotonic_seconds();
    }
    finished_.notify_all();
  }

  bool done() override {
    const std::lock_guard lock(mutex_);
    return done_;
  }

  double elapsed_seconds() override {
    const std::lock_guard lock(mutex_);
    return (done_ ? end_ : monotonic_seconds()) - start_;
  }

 private:
  void block() override {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return done_; });
    if (error_ != nullptr) {
      std::rethrow_exception(error_);
    }
  }

  std::function<void()> body_;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::exception_ptr error_;
  bool done_ = false;
  double start_ = monotonic_seconds();
  double end_ = 0;
};

ProgressThread::ProgressThread() : thread_([this] { serve(); }) {}

ProgressThread::~ProgressThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  posted_.notify_one();
  thread_.join();
}

std::shared_ptr<Work::State> ProgressThread::post(std::function<void()> task) {
  auto state = std::make_shared<Task>(std::move(task));
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(state);
  }
  posted_.notify_one();
  return state;
}

bool ProgressThread::idle() const {
  const std::lock_guard lock(mutex_);
  return tasks_.empty();
}

void ProgressThread::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    posted_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
    if (tasks_.empty()) {
      return;
    }
    const std::shared_ptr<Task> task = tasks_.front();
    lock.unlock();
    task->run();
    lock.lock();
    tasks_.pop_front();
  }
}

}  // namespace dure::comm
