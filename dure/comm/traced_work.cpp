#include "dure/comm/traced_work.h"

#include <exception>
#include <utility>

namespace dure::comm {

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
    if (stream->trace() != nullptr) {
      stream->trace()->record({.name = name_,
                               .start_seconds = start_,
                               .seconds = work_.elapsed_seconds(),
                               .bytes = static_cast<double>(bytes_),
                               .row = TraceRow::kCommunication});
    }
  }
}

}  // namespace dure::comm
