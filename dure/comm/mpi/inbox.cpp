#include "dure/comm/mpi/inbox.h"

#include <algorithm>

#include "dure/comm/error.h"

namespace dure::comm {

std::shared_ptr<Inbox::Message> Inbox::expect(int from,
                                              int tag,
                                              std::span<std::byte> to) {
  auto message = std::make_shared<Message>(from, tag, to);
  unmatched_[{from, tag}].push_back(message);
  return message;
}

bool Inbox::test(const std::shared_ptr<Message>& message, MPI_Comm comm) {
  if (!message->matched_) {
    match(message, comm);
  }
  if (!message->matched_) {
    return false;
  }
  int done = 0;
  DURE_MPI(MPI_Test(&message->request_, &done, MPI_STATUS_IGNORE));
  if (done == 0) {
    return false;
  }
  if (static_cast<std::size_t>(message->came_) != message->to_.size()) {
    throw Mismatch(
        "a message does not fit: rank {} of the communicator sent "
        "{} bytes where {} were expected",
        message->from_,
        message->came_,
        message->to_.size());
  }
  return true;
}

void Inbox::match(const std::shared_ptr<Message>& message, MPI_Comm comm) {
  const Key key(message->from_, message->tag_);
  const auto found = unmatched_.find(key);
  if (found->second.front() != message) {
    return;  // an earlier one comes first
  }
  int is_here = 0;
  MPI_Message handle = MPI_MESSAGE_NULL;
  MPI_Status status;
  DURE_MPI(MPI_Improbe(
      message->from_, message->tag_, comm, &is_here, &handle, &status));
  if (is_here == 0) {
    return;
  }
  found->second.pop_front();
  if (found->second.empty()) {
    unmatched_.erase(found);
  }
  message->matched_ = true;
  DURE_MPI(MPI_Get_count(&status, MPI_BYTE, &message->came_));
  std::byte* to = message->to_.data();
  if (static_cast<std::size_t>(message->came_) != message->to_.size()) {
    message->unwanted_.resize(static_cast<std::size_t>(message->came_));
    to = message->unwanted_.data();
  }
  DURE_MPI(
      MPI_Imrecv(to, message->came_, MPI_BYTE, &handle, &message->request_));
}

void Inbox::give_up(const std::shared_ptr<Message>& message) noexcept {
  if (message->matched_) {
    if (message->request_ != MPI_REQUEST_NULL) {
      MPI_Request_free(&message->request_);
    }
    return;
  }
  const auto found = unmatched_.find({message->from_, message->tag_});
  if (found != unmatched_.end()) {
    std::erase(found->second, message);
    if (found->second.empty()) {
      unmatched_.erase(found);
    }
  }
}

}  // namespace dure::comm
