#include "dure/comm/mpi/operation.h"

#include <utility>

#include "dure/base/trace.h"
#include "dure/comm/mpi/engine.h"

namespace dure::comm {

Operation::Operation(std::shared_ptr<MpiEngine> engine,
                     std::shared_ptr<Channel> channel,
                     Order order)
    : engine_(std::move(engine)),
      channel_(std::move(channel)),
      order_(order),
      start_(monotonic_seconds()) {}

void Operation::settle(std::exception_ptr error) {
  record(error == nullptr ? FlightRecorder::State::kDone
                          : FlightRecorder::State::kFailed);
  error_ = std::move(error);
  end_ = monotonic_seconds();
  settled_.store(true, std::memory_order_release);
}

void Operation::block() {
  engine_->wait(*this);
  if (error_ != nullptr) {
    std::rethrow_exception(error_);
  }
}

bool Operation::done() {
  return settled() || (engine_->look_in(), settled());
}

double Operation::elapsed_seconds() {
  return (settled() ? end_ : monotonic_seconds()) - start_;
}

}  // namespace dure::comm
