#include "dure/comm/flight_recorder.h"

#include <algorithm>
#include <cstdio>
#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <utility>

#include "dure/base/trace.h"

namespace dure::comm {
namespace {

const char* name_of(FlightRecorder::State state) {
  constexpr const char* kNames[] = {"waiting", "done", "failed"};
  return kNames[static_cast<int>(state)];
}

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", seconds);
  return text;
}

std::string describe(const FlightRecorder::Call& call) {
  const bool message = is_message(call.kind);
  return fmt::format(
      "#{} {} of {} {}{} on {}",
      call.sequence,
      comm::name_of(call.kind),
      call.elements,
      dure::name_of(call.dtype),
      message ? fmt::format("{}rank {}",
                            call.kind == Kind::kSend ? " to " : " from ",
                            call.root)
              : "",
      call.axis);
}

}  // namespace

std::uint64_t FlightRecorder::begin(const std::string& axis,
                                    const Request& request) {
  const std::lock_guard lock(mutex_);
  Call& call = calls_[count_ % kKept];
  call.sequence = ++count_;
  call.axis = axis;
  call.kind = request.kind;
  call.dtype = request.dtype();
  call.elements = elements_of(request);
  call.root = request.root;
  call.state = State::kWaiting;
  call.start_seconds = monotonic_seconds();
  call.end_seconds = 0;
  return call.sequence;
}

void FlightRecorder::end(std::uint64_t sequence, State state) {
  const std::lock_guard lock(mutex_);
  Call& call = calls_[(sequence - 1) % kKept];
  if (call.sequence == sequence) {
    call.state = state;
    call.end_seconds = monotonic_seconds();
  }
}

void FlightRecorder::note_busy() {
  if (is_busy()) {
    busy_until_ = monotonic_seconds();
  }
}

void FlightRecorder::begin_activity(std::string what) {
  const std::lock_guard lock(mutex_);
  activities_.push_back({std::move(what), monotonic_seconds()});
}

void FlightRecorder::end_activity() {
  const std::lock_guard lock(mutex_);
  note_busy();
  activities_.pop_back();
}

FlightRecorder::Waiting::Waiting(FlightRecorder* recorder)
    : recorder_(recorder) {
  if (recorder_ != nullptr) {
    const std::lock_guard lock(recorder_->mutex_);
    recorder_->note_busy();
    ++recorder_->waits_;
  }
}

FlightRecorder::Waiting::~Waiting() {
  if (recorder_ != nullptr) {
    const std::lock_guard lock(recorder_->mutex_);
    --recorder_->waits_;
  }
}

FlightRecorder::Doing FlightRecorder::doing() const {
  const std::lock_guard lock(mutex_);
  const double now = monotonic_seconds();
  Doing doing{.ago = is_busy() ? 0 : std::min(Doing::kNever, now - busy_until_),
              .waits = waits_ > 0};
  if (!activities_.empty()) {
    doing.what = activities_.back().what;
    doing.seconds = now - activities_.back().start_seconds;
  }
  return doing;
}

std::vector<FlightRecorder::Call> FlightRecorder::calls() const {
  const std::lock_guard lock(mutex_);
  std::vector<Call> calls;
  const std::uint64_t first = count_ > kKept ? count_ - kKept : 0;
  for (std::uint64_t i = first; i < count_; ++i) {
    calls.push_back(calls_[i % kKept]);
  }
  return calls;
}

std::string FlightRecorder::last() const {
  const Doing now = doing();
  return (now.what.empty()
              ? ""
              : fmt::format(
                    "{} for {}; ", now.what, seconds_text(now.seconds))) +
         "last call: " + last_call();
}

std::string FlightRecorder::last_call() const {
  const std::vector<Call> all = calls();
  if (all.empty()) {
    return "nothing yet";
  }
  const Call& call = all.back();
  const double now = monotonic_seconds();
  return describe(call) +
         (call.state == State::kWaiting
              ? ", waiting for " + seconds_text(now - call.start_seconds)
              : fmt::format(", {} {} ago",
                            name_of(call.state),
                            seconds_text(now - call.end_seconds)));
}

std::string FlightRecorder::to_json_lines() const {
  std::string text;
  for (const Call& call : calls()) {
    const double end =
        call.state == State::kWaiting ? monotonic_seconds() : call.end_seconds;
    text += nlohmann::ordered_json{{"sequence", call.sequence},
                                   {"axis", call.axis},
                                   {"kind", comm::name_of(call.kind)},
                                   {"dtype", dure::name_of(call.dtype)},
                                   {"elements", call.elements},
                                   {"root", call.root},
                                   {"state", name_of(call.state)},
                                   {"seconds", end - call.start_seconds}}
                .dump() +
            "\n";
  }
  return text;
}

}  // namespace dure::comm
