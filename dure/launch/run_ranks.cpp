#include "dure/launch/run_ranks.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <fmt/core.h>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/error_text.h"
#include "dure/base/limits.h"
#include "dure/comm/error.h"
#include "dure/comm/threads/threads_communicator.h"
#include "dure/launch/cores.h"

namespace dure::launch {
namespace {

enum class Fault : std::uint8_t { kItsOwn, kUsage, kOfAnother };

struct Failure {
  int rank;
  std::string message;
  Fault fault;
};

// Records which ranks are back, and which failed first.
class Finish {
 public:
  explicit Finish(int ranks) : back_(static_cast<std::size_t>(ranks)) {}

  void fail(const Failure& failure) {
    const std::lock_guard lock(mutex_);
    // Ranks that are told of a failure may be back before the one that fails.
    if (!first_.has_value() || (first_->fault == Fault::kOfAnother &&
                                failure.fault != Fault::kOfAnother)) {
      first_ = failure;
    }
    changed_.notify_all();
  }

  void arrive(int rank) {
    {
      const std::lock_guard lock(mutex_);
      back_[rank] = true;
    }
    changed_.notify_all();
  }

  // Waits for all; once one has failed, only so long. Returns a message about
  // the ranks that are not back.
  std::string wait(double grace_seconds) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return all_back() || first_.has_value(); });
    const std::chrono::duration<double> grace(grace_seconds);
    if (changed_.wait_for(lock, grace, [this] { return all_back(); })) {
      return "";
    }
    std::string text = fmt::format(
        "rank {}: {}\nnot back after ", first_->rank, first_->message);
    text += fmt::format("{:g} s, so the run is ended:", grace_seconds);
    for (std::size_t rank = 0; rank < back_.size(); ++rank) {
      text += back_[rank] ? "" : fmt::format(" rank {}", rank);
    }
    return text;
  }

  void raise() const {
    if (!first_.has_value()) {
      return;
    }
    const std::string text =
        fmt::format("rank {}: {}", first_->rank, first_->message);
    if (first_->fault == Fault::kUsage) {
      throw UsageError(text);
    }
    throw Error(text);
  }

 private:
  bool all_back() const {
    return std::find(back_.begin(), back_.end(), false) == back_.end();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bool> back_;
  std::optional<Failure> first_;
};

// The threads of a rank. Ranks that share cores get one, as more would only be
// in each other's way.
int threads_of(const RankThreads& options) {
  return options.threads > 0 ? options.threads
                             : std::max(1, usable_processors() / options.ranks);
}

// The body of a rank's thread.
void run_rank(int rank,
              comm::ThreadWorld& world,
              const std::vector<int>& cores,
              const std::function<void(comm::Communicator&)>& body,
              Finish& finish) {
  const auto fail = [&](const std::exception& error, Fault fault) {
    const std::string message = message_of(error);
    finish.fail({rank, message, fault});
    world.abort(rank, message);
  };
  keep_to(cores);
  try {
    body(*world.communicators()[rank]);
  } catch (const UsageError& error) {
    fail(error, Fault::kUsage);
  } catch (const comm::Aborted& error) {
    fail(error, Fault::kOfAnother);
  } catch (const std::exception& error) {
    fail(error, Fault::kItsOwn);
  }
  finish.arrive(rank);
}

std::string too_many_threads(int ranks, int threads) {
  return fmt::format(
      "the system does not grant {}{}{}{} ({}): lower --ranks or "
      "train.threads, or raise the limit",
      ranks == 1 ? std::string("this process ")
                 : fmt::format("{} ranks ", ranks),
      threads,
      threads == 1 ? " thread" : " threads",
      ranks == 1 ? "" : " each",
      thread_limits());
}

}  // namespace

void check_threads(int ranks, int threads) {
  const std::int64_t wanted = std::int64_t{ranks} * threads;
  constexpr std::int64_t kMost = 1 << 20;
  if (wanted > kMost || !can_start_threads(static_cast<int>(wanted))) {
    throw Error(too_many_threads(ranks, threads));
  }
}

void run_ranks(const RankThreads& options,
               const std::function<void(comm::Communicator&)>& body) {
  const auto cores =
      neighbourhoods(divide_cores(usable_cores(), options.ranks));
  const int threads_each = threads_of(options);
  check_threads(options.ranks, threads_each);
  comm::Options of_rank = options.comm;
  of_rank.threads = threads_each;
  comm::ThreadWorld world(options.ranks, of_rank);
  Finish finish(options.ranks);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < options.ranks; ++rank) {
    try {
      threads.emplace_back(
          [&, rank] { run_rank(rank, world, cores[rank], body, finish); });
    } catch (const std::system_error&) {  // somebody else took them meanwhile
      const std::string text = too_many_threads(options.ranks, threads_each);
      finish.fail({rank, text, Fault::kItsOwn});
      world.abort(rank, text);
      finish.arrive(rank);
    }
  }
  const std::string stuck = finish.wait(options.grace_seconds);
  if (!stuck.empty() && options.on_stuck) {
    options.on_stuck(stuck);
  }
  threads.clear();  // joins
  finish.raise();
}

}  // namespace dure::launch
