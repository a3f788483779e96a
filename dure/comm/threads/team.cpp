#include "dure/comm/threads/team.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

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
    : seats_(static_cast<std::size_t>(size)),
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
  Seat& seat = seats_[rank];
  Slot& slot = seat.slots[count % 2];
  slot.header = header_of(request);
  slot.request = &request;
  if (is_small(request) && request.input.elements() > 0) {
    std::memcpy(
        slot.data.data(), request.input.bytes(), request.input.size_bytes());
  }
  seat.arrived.store(count, std::memory_order_release);
  wait_for_all(rank, count, &Seat::arrived);
}

void Team::leave(int rank, std::uint64_t count) {
  Seat& seat = seats_[rank];
  seat.left.store(count, std::memory_order_release);
  wait_for_all(rank, count, &Seat::left);
}

void Team::wait_for_all(int rank,
                        std::uint64_t count,
                        std::atomic<std::uint64_t> Seat::*mark) {
  // A rank that has been seen is not checked again.
  auto seat = seats_.begin();
  const Waited waited = watch_->wait([&] {
    while (seat != seats_.end() &&
           ((*seat).*mark).load(std::memory_order_acquire) >= count) {
      ++seat;
    }
    return seat == seats_.end();
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
  const std::string text = concat(what,
                                  " was not finished within ",
                                  watch_->options().timeout_seconds,
                                  " s (comm.timeout)");
  write_flight_recorders();
  fail(rank, text);
  throw Timeout(text);
}

void Team::fail(int rank, const std::string& message) {
  fate().fail(rank, message);
  wait_for_busy();
}

void Team::wait_for_busy() const {
  for (const Seat& seat : seats_) {
    while (seat.busy.load()) {
      std::this_thread::yield();
    }
  }
}

Team::Access::Access(Team& team, int rank) : seat_(team.seats_[rank]) {
  seat_.busy.store(true);
  if (team.fate().failed()) {
    seat_.busy.store(false);
    team.fate().raise();
  }
}

Team::Access::~Access() {
  seat_.busy.store(false);
}

std::string Team::table(int rank, std::uint64_t count) const {
  char seconds[32];
  std::snprintf(
      seconds, sizeof seconds, "%g", watch_->options().timeout_seconds);
  std::string text = concat("collective ",
                            count,
                            " of this communicator, ",
                            describe(slot(rank, count).header),
                            ", was not finished within ",
                            seconds,
                            " s (comm.timeout)");
  for (int r = 0; r < size(); ++r) {
    const bool here = seats_[r].arrived >= count;
    const auto recorder = recorder_of(r);
    text += concat("\n  rank ",
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
                                concat("flight_rank", r, ".jsonl"),
                            recorder->to_json_lines());
    }
  }
}

}  // namespace dure::comm
