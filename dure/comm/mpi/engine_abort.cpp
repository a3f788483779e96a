// The end of a run because one rank has failed.
//
// The first rank to fail tells the others, whose operations throw. Each of them
// prints its error, calls abort() itself, and tells the first one that it is
// gone; then the first one calls MPI_Abort. A rank that goes on computing, or
// is stuck elsewhere, is ended by it as well, a little later.
#include <cstdlib>
#include <exception>
#include <utility>

#include "dure/base/trace.h"
#include "dure/comm/mpi/engine.h"

namespace dure::comm {
namespace {

// The time in which the others print their errors.
constexpr double kGraceSeconds = 2;
// The time after which a rank no longer relies on the first one to end it.
constexpr double kLongGraceSeconds = 4;

}  // namespace

void MpiEngine::abandon(const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    try {
      tell_of_failure(message);
    } catch (const std::exception&) {  // abort() is still to come
    }
  }
  wake_.notify_one();
}

void MpiEngine::tell_of_failure(const std::string& message) {
  if (std::exchange(told_, true)) {
    return;
  }
  first_ = told_by_.empty();
  fate_.fail(facts().rank, message);
  if (first_) {
    Notice notice;
    notice.kind = Notice::Kind::kAbort;
    notice.text = message;
    send_to_others(notice);
  }
}

void MpiEngine::abort(const std::string& message, int exit_code) {
  {
    const std::lock_guard lock(mutex_);
    try {
      tell_of_failure(message);
      for (const int rank : told_by_) {
        control_->send(rank, {.kind = Notice::Kind::kGone});
      }
    } catch (const std::exception&) {  // MPI_Abort needs no messages
    }
    abort_ = {.exit_code = exit_code,
              .until = monotonic_seconds() +
                       (first_ ? kGraceSeconds : kLongGraceSeconds)};
  }
  wake_.notify_one();
  thread_.join();
  std::_Exit(exit_code);
}

void MpiEngine::send_to_others(const Notice& notice) {
  for (int rank = 0; rank < facts().size; ++rank) {
    if (rank != facts().rank) {
      control_->send(rank, notice);
    }
  }
}

void MpiEngine::end_if_aborted(double now) {
  if (!abort_) {
    return;
  }
  const bool all_gone =
      first_ && std::ssize(gone_) == facts().size - 1 && control_->all_sent();
  if (all_gone || now > abort_->until) {
    MPI_Abort(MPI_COMM_WORLD, abort_->exit_code);
    std::_Exit(abort_->exit_code);
  }
}

}  // namespace dure::comm
