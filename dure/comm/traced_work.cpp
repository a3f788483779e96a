#include "dure/comm/traced_work.h"

#include <exception>
#include <utility>

namespace dure::comm {

void record_communication(const Stream& stream,
                          const char* name,
                          double start_seconds,
                          double seconds,
                          std::size_t bytes) {
  if (stream.trace() != nullptr) {
    stream.trace()->record({.name = name,
                            .start_seconds = start_seconds,
                            .seconds = seconds,
                            .bytes = static_cast<double>(bytes),
                            .row = TraceRow::kCommunication});
  }
}

TracedWork::~TracedWork() {
  try {
    if (stream_ != nullptr) {
      work_.wait(*stream_);
    }
  } catch (const std::exception&) {
    // A caller that waited for the result has got the error, or does not need
    // it.
    return;
  }
}

void TracedWork::wait() {
  Stream* const stream = std::exchange(stream_, nullptr);
  if (stream != nullptr) {
    work_.wait(*stream);
    record_communication(
        *stream, name_, start_, work_.elapsed_seconds(), bytes_);
  }
}

}  // namespace dure::comm
