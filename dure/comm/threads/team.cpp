#include "dure/comm/threads/team.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fmt/core.h>

#include "dure/base/files.h"
#include "dure/comm/error.h"

namespace dure::comm {

bool is_small(const Request& request) {
  const bool kind = request.kind == Kind::kAllReduce ||
                    request.kind == Kind::kBroadcast ||
                    request.kind == Kind::kBarrier;
  return kind && request.output.size_bytes() <= Team::kSmallBytes;
}

Team::Team(int size, std::shared_ptr<Watch> watch)
    : rank_states_(static_cast<std::size_t>(size)),
      watch_(std::move(watch)),
      recorders_(static_cast<std::size_t>(size)) {}

void Team::introduce(int rank, std::shared_ptr<const FlightRecorder> recorder) {
  const std::lock_guard lock(mutex_);
  recorders_[rank] = std::move(recorder);
}

std::shared_ptr<const FlightRecorder> Team::recorder_of(int rank) const {
  const std::lock_guard lock(mutex_);
  return recorders_[rank];
}

void Team::arrive(int rank, std::uint64_t count, const Request& request) {
  RankState& state = rank_states_[rank];
  Slot& slot = state.slots[count % 2];
  slot.header = header_of(request);
  slot.request = &request;
  if (is_small(request) && request.input.elements() > 0) {
    std::memcpy(
        slot.data.data(), request.input.bytes(), request.input.size_bytes());
  }
  state.arrived.store(count, std::memory_order_release);
  wait_for_all(rank, count, &RankState::arrived);
}

void Team::leave(int rank, std::uint64_t count) {
  RankState& state = rank_states_[rank];
  state.left.store(count, std::memory_order_release);
  wait_for_all(rank, count, &RankState::left);
}

void Team::wait_for_all(int rank,
                        std::uint64_t count,
                        std::atomic<std::uint64_t> RankState::*mark) {
  // A rank that has been seen is not checked again.
  auto state = rank_states_.begin();
  const Waited waited = watch_->wait([&] {
    while (state != rank_states_.end() &&
           ((*state).*mark).load(std::memory_order_acquire) >= count) {
      ++state;
    }
    return state == rank_states_.end();
  });
  if (waited == Waited::kStopped) {
    wait_for_busy();
    fate().raise();
  }
  if (waited == Waited::kTimedOut) {
    const std::string text = table(rank, count);
    write_flight_recorders();
    fail(rank, text);
    throw Timeout(text);
  }
}

void Team::time_out(int rank, const std::string& what) {
  const std::string text =
      fmt::format("{} was not finished within {:g} s (comm.timeout)",
                  what,
                  watch_->options().timeout_seconds);
  write_flight_recorders();
  fail(rank, text);
  throw Timeout(text);
}

void Team::fail(int rank, const std::string& message) {
  fate().fail(rank, message);
  wait_for_busy();
}

void Team::wait_for_busy() const {
  for (const RankState& state : rank_states_) {
    while (state.busy.load()) {
      std::this_thread::yield();
    }
  }
}

Team::Access::Access(Team& team, int rank) : state_(team.rank_states_[rank]) {
  state_.busy.store(true);
  if (team.fate().failed()) {
    state_.busy.store(false);
    team.fate().raise();
  }
}

Team::Access::~Access() {
  state_.busy.store(false);
}

std::string Team::table(int rank, std::uint64_t count) const {
  char seconds[32];
  std::snprintf(
      seconds, sizeof seconds, "%g", watch_->options().timeout_seconds);
  std::string text = fmt::format(
      "collective {} of this communicator, {}, was not finished within {} s "
      "(comm.timeout)",
      count,
      describe(slot(rank, count).header),
      seconds);
  for (int r = 0; r < size(); ++r) {
    const bool here = rank_states_[r].arrived >= count;
    const auto recorder = recorder_of(r);
    text += fmt::format("\n  rank {}{}{}",
                        r,
                        here ? ": arrived; " : ": DID NOT ARRIVE; ",
                        recorder == nullptr ? "nothing yet" : recorder->last());
  }
  return text;
}

void Team::write_flight_recorders() const {
  if (watch_->options().flight_directory.empty()) {
    return;
  }
  make_directories(watch_->options().flight_directory);
  for (int r = 0; r < size(); ++r) {
    const auto recorder = recorder_of(r);
    if (recorder != nullptr) {
      write_file_atomically(Path(watch_->options().flight_directory) /
                                fmt::format("flight_rank{}.jsonl", r),
                            recorder->to_json_lines());
    }
  }
}

}  // namespace dure::comm
