#include "dure/comm/abort_flag.h"

#include "dure/comm/error.h"

namespace dure::comm {

void AbortFlag::fail(int rank, const std::string& message) {
  const std::lock_guard lock(mutex_);
  if (!failed_) {
    rank_ = rank;
    message_ = message;
    failed_ = true;
  }
}

void AbortFlag::raise() const {
  const std::lock_guard lock(mutex_);
  throw Aborted("rank {} failed: {}", rank_, message_);
}

}  // namespace dure::comm
