#include "dure/comm/mpi/engine.h"

#include <chrono>
#include <cstdlib>
#include <utility>

#include "dure/base/trace.h"
#include "dure/comm/error.h"
#include "dure/comm/waiting.h"

namespace dure::comm {
namespace {

// How often the engine looks at other things than operations: notices,
// deadlines.
constexpr double kLookSeconds = 1e-3;
// How often it does so when idle. A rank that asks waits so long.
constexpr auto kIdle = std::chrono::milliseconds(5);

// Operations only move when somebody polls, so sleeps are short.
constexpr double kMostSleep = 50e-6;

// A waiting rank has nothing better to do than to poll; the engine's thread
// takes a core from the computation.
Pause pause_of_waiter() {
  return Pause(Pause::kSpins, kMostSleep);
}
Pause pause_of_engine() {
  return Pause(/*spins=*/20, kMostSleep);
}

}  // namespace

MpiEngine::MpiEngine(MpiThreads threads) {
  std::promise<void> started;
  std::future<void> start = started.get_future();
  thread_ = std::thread([&, threads] { serve(threads, started); });
  try {
    start.get();
  } catch (...) {
    thread_.join();
    throw;
  }
}

MpiEngine::~MpiEngine() {
  leave();
}

void MpiEngine::leave() {
  end(Ending::kLeave);
}

void MpiEngine::end(Ending how) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ == Ending::kNot) {
      ending_ = how;
    }
  }
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void MpiEngine::serve(MpiThreads threads, std::promise<void>& started) {
  try {
    session_.emplace(threads);
    control_.emplace(session_->world());
  } catch (...) {
    started.set_exception(std::current_exception());
    return;
  }
  std::unique_lock lock(mutex_);
  started.set_value();
  serve_until_ending(lock);
  ended_ = true;
  if (ending_ == Ending::kFinalize) {
    finalize();
  }
}

void MpiEngine::serve_until_ending(std::unique_lock<std::mutex>& lock) {
  Pause pause = pause_of_engine();
  while (ending_ == Ending::kNot) {
    const bool others_poll = session_->any_thread() && waiters_ > 0;
    if (!others_poll) {
      poll();
    }
    end_if_aborted(monotonic_seconds());
    if (others_poll || active_.empty()) {
      wake_.wait_for(lock, kIdle);
      pause = pause_of_engine();
    } else {
      lock.unlock();
      pause();
      lock.lock();
    }
  }
}

void MpiEngine::finalize() {
  try {
    for (const auto& channel : released_) {
      DURE_MPI(MPI_Comm_free(&channel->data));
      DURE_MPI(MPI_Comm_free(&channel->messages));
    }
    control_->close();
    session_->finalize();
  } catch (...) {
    end_error_ = std::current_exception();
  }
}

void MpiEngine::submit(const std::shared_ptr<Operation>& operation) {
  {
    const std::lock_guard lock(mutex_);
    enter(operation);
  }
  wake_.notify_one();
}

void MpiEngine::run(const std::shared_ptr<Operation>& operation) {
  if (session_->any_thread()) {
    const std::lock_guard lock(mutex_);
    enter(operation);
  } else {
    submit(operation);
  }
  operation->wait();
}

void MpiEngine::enter(const std::shared_ptr<Operation>& operation) {
  Channel& channel = *operation->channel();
  DURE_CHECK(!ended_, "communication after MPI was finalized");
  raise_if_failed(channel);
  if (operation->order() == Operation::Order::kAfterOthers) {
    operation->set_number(++channel.called);
    if (channel.running != nullptr) {
      channel.waiting.push_back(operation);
      return;
    }
    channel.running = operation;
  }
  activate(operation);
  if (session_->any_thread()) {
    advance(active_.size() - 1);
  }
}

void MpiEngine::raise_if_failed(const Channel& channel) const {
  if (fate_.failed() && !channel.lineage->is_twin) {
    fate_.raise();
  }
  if (channel.lineage->fate.failed()) {
    channel.lineage->fate.raise();
  }
}

void MpiEngine::activate(const std::shared_ptr<Operation>& operation) {
  operation->patience() =
      Patience(operation->channel()->lineage->options.timeout_seconds,
               monotonic_seconds());
  active_.push_back(operation);
}

void MpiEngine::wait(const Operation& operation) {
  std::unique_lock lock(mutex_);
  if (!session_->any_thread()) {
    finished_.wait(lock, [&] { return operation.settled(); });
    return;
  }
  ++waiters_;
  Pause pause = pause_of_waiter();
  while (!operation.settled()) {
    poll();
    if (!operation.settled()) {
      lock.unlock();
      pause();
      lock.lock();
    }
  }
  --waiters_;
  if (waiters_ == 0 && !active_.empty()) {
    wake_.notify_one();
  }
}

void MpiEngine::look_in() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock.owns_lock() && session_->any_thread() && !ended_) {
    poll();
  }
}

void MpiEngine::poll() {
  for (std::size_t i = 0; i < active_.size();) {
    i += advance(i) ? 0 : 1;
  }
  const double now = monotonic_seconds();
  if (now >= next_look_) {
    next_look_ = now + kLookSeconds;
    try {
      look_around(now);
    } catch (const std::exception& error) {
      fate_.fail(facts().rank, error.what());
    }
  }
}

// Advances an operation. True if it is settled, and so no longer at `index`.
bool MpiEngine::advance(std::size_t index) {
  try {
    if (!active_[index]->advance()) {
      return false;
    }
    settle(index, nullptr);
  } catch (...) {
    settle(index, std::current_exception());
  }
  return true;
}

void MpiEngine::settle(std::size_t index, const std::exception_ptr& error) {
  const std::shared_ptr<Operation> operation = active_[index];
  active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(index));
  if (error != nullptr) {
    operation->abandon();
  }
  if (inquiry_ && inquiry_->operation() == operation) {
    inquiry_.reset();
  }
  follow(operation);
  operation->settle(error);
  finished_.notify_all();
}

// Starts the next collective of its channel.
void MpiEngine::follow(const std::shared_ptr<Operation>& operation) {
  Channel& channel = *operation->channel();
  if (channel.running != operation) {
    return;
  }
  channel.running = nullptr;
  if (!channel.waiting.empty()) {
    channel.running = std::move(channel.waiting.front());
    channel.waiting.pop_front();
    activate(channel.running);
  }
}

void MpiEngine::add(const std::shared_ptr<Channel>& channel) {
  const std::lock_guard lock(mutex_);
  channels_[channel->id] = channel;
}

void MpiEngine::release(std::shared_ptr<Channel> channel) {
  const std::lock_guard lock(mutex_);
  released_.push_back(std::move(channel));
}

// Freeing a communicator is local to a process in Open MPI and MPICH. Failed
// ones are kept: MPI may still use them, and other ranks ask about them.
void MpiEngine::free_released() {
  std::erase_if(released_, [this](const std::shared_ptr<Channel>& channel) {
    if (channel.use_count() > 1 || channel->lineage->fate.failed()) {
      return false;
    }
    channels_.erase(channel->id);
    DURE_MPI(MPI_Comm_free(&channel->data));
    DURE_MPI(MPI_Comm_free(&channel->messages));
    return true;
  });
}

std::uint64_t MpiEngine::count_world() {
  const std::lock_guard lock(mutex_);
  return ++worlds_;
}

void MpiEngine::finish() {
  {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return active_.empty(); });
  }
  end(Ending::kFinalize);
  if (end_error_ != nullptr) {
    std::rethrow_exception(end_error_);
  }
}

}  // namespace dure::comm
