#include "dure/comm/traced_work.h"

#include <exception>
#include <utility>

namespace dure::comm {

TracedWork::~TracedWork() {
  try {
    work_.wait();
  } catch (const std::exception&) {
    // Who waited for the result has heard, or does not want it any more.
    return;
  }
}

void TracedWork::wait() {
  work_.wait();
  Stream* const stream = std::exchange(stream_, nullptr);
  if (stream != nullptr && stream->trace() != nullptr) {
    stream->trace()->record({.name = name_,
                             .start_seconds = start_,
                             .seconds = work_.elapsed_seconds(),
                             .bytes = static_cast<double>(bytes_),
                             .row = TraceRow::kCommunication});
  }
}

}  // namespace dure::comm
