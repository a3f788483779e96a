#include "dure/comm/mpi/messages.h"

#include <utility>

#include "dure/comm/error.h"
#include "dure/comm/mpi/pieces.h"

namespace dure::comm {
namespace {

bool sends(const Request& message) {
  return message.kind == Kind::kSend;
}

std::size_t bytes_of(const Request& message) {
  return sends(message) ? message.input.size_bytes()
                        : message.output.size_bytes();
}

}  // namespace

MessagesOperation::MessagesOperation(std::shared_ptr<MpiEngine> engine,
                                     std::shared_ptr<Channel> channel,
                                     std::span<const Request> messages)
    : Operation(std::move(engine), std::move(channel), Order::kAlone) {
  for (const Request& message : messages) {
    DURE_CHECK(message.tag <= this->channel()->largest_tag,
               "{}: this MPI has tags up to {}",
               comm::describe(message),
               this->channel()->largest_tag);
    transfers_.push_back({.message = message});
  }
}

bool MessagesOperation::advance() {
  if (!posted_) {
    posted_ = true;
    for (Transfer& transfer : transfers_) {
      post(transfer);
    }
  }
  bool all = true;
  for (Transfer& transfer : transfers_) {
    try {
      all = (transfer.done || test(transfer)) && all;
    } catch (const Mismatch& error) {
      finish(transfer, FlightRecorder::State::kFailed);
      error_ = error_.empty() ? error.what() : error_;
    }
  }
  if (all && !error_.empty()) {
    throw Mismatch(error_);
  }
  return all;
}

void MessagesOperation::post(Transfer& transfer) const {
  for_each_piece(bytes_of(transfer.message),
                 [&](std::size_t offset, int bytes) {
                   post_piece(transfer, offset, bytes);
                 });
}

void MessagesOperation::post_piece(Transfer& transfer,
                                   std::size_t offset,
                                   int bytes) const {
  const Request& message = transfer.message;
  Piece& piece = transfer.pieces.emplace_back();
  if (sends(message)) {
    const auto* const from =
        static_cast<const std::byte*>(message.input.bytes()) + offset;
    DURE_MPI(MPI_Isend(from,
                       bytes,
                       MPI_BYTE,
                       message.root,
                       message.tag,
                       channel()->messages,
                       &piece.request));
  } else {
    auto* const to = static_cast<std::byte*>(message.output.bytes()) + offset;
    piece.expected = channel()->inbox.expect(
        message.root, message.tag, {to, static_cast<std::size_t>(bytes)});
  }
}

bool MessagesOperation::test(Transfer& transfer) const {
  bool all = true;
  for (Piece& piece : transfer.pieces) {
    all = (piece.done || test(transfer, piece)) && all;
  }
  if (all) {
    finish(transfer, FlightRecorder::State::kDone);
  }
  return all;
}

// A message that came is tested once, and not again.
bool MessagesOperation::test(const Transfer& transfer, Piece& piece) const {
  if (piece.expected == nullptr) {
    int done = 0;
    DURE_MPI(MPI_Test(&piece.request, &done, MPI_STATUS_IGNORE));
    return piece.done = done != 0;
  }
  try {
    return piece.done =
               channel()->inbox.test(piece.expected, channel()->messages);
  } catch (const Mismatch& error) {
    piece.done = true;
    throw Mismatch("{}: {}", comm::describe(transfer.message), error.what());
  }
}

void MessagesOperation::finish(Transfer& transfer,
                               FlightRecorder::State state) const {
  transfer.done = true;
  channel()->lineage->recorder->end(transfer.message.sequence, state);
}

void MessagesOperation::abandon() noexcept {
  for (Transfer& transfer : transfers_) {
    for (Piece& piece : transfer.pieces) {
      if (piece.expected != nullptr && !piece.done) {
        channel()->inbox.give_up(piece.expected);
      } else if (piece.request != MPI_REQUEST_NULL) {
        MPI_Request_free(&piece.request);
      }
    }
  }
}

std::string MessagesOperation::describe() const {
  std::string text;
  for (const Transfer& transfer : transfers_) {
    if (!transfer.done) {
      text += (text.empty() ? "" : "; ") + comm::describe(transfer.message);
    }
  }
  return text;
}

void MessagesOperation::record(FlightRecorder::State state) {
  for (Transfer& transfer : transfers_) {
    if (!transfer.done) {
      finish(transfer, state);
    }
  }
}

}  // namespace dure::comm
