// Collectives and messages that are recorded in the trace when they are over.
#pragma once

#include <cstddef>
#include <utility>

#include "dure/base/trace.h"
#include "dure/comm/communicator.h"
#include "dure/tensor/stream.h"

namespace dure::comm {

// Runs `op`. Traces call it `name`, a string of static storage.
template <typename Op>
void run_traced(Stream& stream,
                Communicator& ranks,
                const char* name,
                const Op& op) {
  const Event start = stream.mark();
  ranks.run(stream, op);
  stream.trace_since(start,
                     {.name = name,
                      .bytes = static_cast<double>(op.y.size_bytes()),
                      .row = TraceRow::kCommunication});
}

// Communication in flight, or none if empty. Move-only. Destruction makes the
// stream wait, so that memory that a collective borrowed may then be given
// back. A block of the arena is told by used_until() instead.
class TracedWork {
 public:
  TracedWork() = default;
  TracedWork(TracedWork&& other) noexcept { swap(other); }
  TracedWork& operator=(TracedWork&& other) noexcept {
    TracedWork(std::move(other)).swap(*this);
    return *this;
  }
  ~TracedWork();

  // Starts `op` after the work that the stream was given. Traces call it
  // `name`, a string of static storage. The stream outlives this.
  template <typename Op>
  TracedWork(Stream& stream,
             Communicator& ranks,
             const char* name,
             const Op& op)
      : stream_(&stream),
        name_(name),
        start_(stream.now()),
        bytes_(bytes_of(op)),
        work_(ranks.start(stream, op)) {}

  // The event of its end.
  Event event() const { return work_.event(); }

  // Makes the stream wait for it. A second call has no effect.
  void wait();

 private:
  template <typename Op>
  static std::size_t bytes_of(const Op& op) {
    if constexpr (requires { op.y; }) {
      return op.y.size_bytes();
    } else {
      return op.x.size_bytes();  // a message that is sent, a broadcast
    }
  }

  void swap(TracedWork& other) noexcept {
    std::swap(stream_, other.stream_);
    std::swap(name_, other.name_);
    std::swap(start_, other.start_);
    std::swap(bytes_, other.bytes_);
    std::swap(work_, other.work_);
  }

  Stream* stream_ = nullptr;
  const char* name_ = nullptr;
  double start_ = 0;
  std::size_t bytes_ = 0;
  Work work_;
};

}  // namespace dure::comm
