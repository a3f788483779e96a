#include "dure/comm/mpi/collective_operation.h"

#include <fmt/core.h>
#include <utility>

#include "dure/comm/error.h"

namespace dure::comm {

CollectiveOperation::CollectiveOperation(std::shared_ptr<MpiEngine> engine,
                                         std::shared_ptr<Channel> channel,
                                         Request request,
                                         Recorded recorded)
    : Operation(std::move(engine), std::move(channel), Order::kAfterOthers),
      request_(std::move(request)),
      recorded_(recorded),
      header_(header_of(request_)),
      compared_(this->channel()->lineage->options.check == Check::kOff &&
                !trusts_sizes(request_, this->channel()->size())) {}

bool CollectiveOperation::advance() {
  if (!compared_) {
    if (headers_.empty()) {
      post_headers();
    }
    if (!headers_here()) {
      return false;
    }
  }
  if (procedure_ == nullptr) {
    procedure_ = make_procedure(request_, *channel());
  }
  return procedure_->advance();
}

// Gathers headers by a collective that is the same for all calls.
void CollectiveOperation::post_headers() {
  headers_.resize(static_cast<std::size_t>(channel()->size()));
  DURE_MPI(MPI_Iallgather(&header_,
                          sizeof(Header),
                          MPI_BYTE,
                          headers_.data(),
                          sizeof(Header),
                          MPI_BYTE,
                          channel()->data,
                          &exchange_));
}

// Throws Mismatch, on every rank.
bool CollectiveOperation::headers_here() {
  int done = 0;
  DURE_MPI(MPI_Test(&exchange_, &done, MPI_STATUS_IGNORE));
  if (done == 0) {
    return false;
  }
  compared_ = true;
  const std::string found = disagreement(headers_);
  if (!found.empty()) {
    throw Mismatch(found);
  }
  return true;
}

void CollectiveOperation::abandon() noexcept {
  if (procedure_ != nullptr) {
    procedure_->abandon();
  }
}

std::string CollectiveOperation::describe() const {
  return fmt::format("collective {} of this communicator ({}), {}",
                     number(),
                     channel()->axis,
                     comm::describe(header_));
}

void CollectiveOperation::record(FlightRecorder::State state) {
  if (recorded_ == Recorded::kHere) {
    channel()->lineage->recorder->end(request_.sequence, state);
  }
}

}  // namespace dure::comm
