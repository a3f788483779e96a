// Collectives by Dure's own plans, as messages of MPI.
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "dure/comm/algorithm/plan.h"
#include "dure/comm/algorithm/plan_execution.h"
#include "dure/comm/mpi/inbox.h"
#include "dure/comm/mpi/pieces.h"
#include "dure/comm/mpi/procedure.h"

namespace dure::comm {
namespace {

// One tag is enough: a communicator's collectives run one after another, and
// messages have an MPI communicator of their own.
constexpr int kTag = 0;

class MpiTransport final : public Transport {
 public:
  explicit MpiTransport(MPI_Comm comm) : comm_(comm) {}

  Ticket send(int peer, int tag, std::span<const std::byte> bytes) override {
    Message& message = messages_.emplace_back();
    for_each_piece(bytes.size(), [&](std::size_t offset, int length) {
      MPI_Request& request = message.sent.emplace_back(MPI_REQUEST_NULL);
      DURE_MPI(MPI_Isend(
          bytes.data() + offset, length, MPI_BYTE, peer, tag, comm_, &request));
    });
    return messages_.size() - 1;
  }

  Ticket receive(int peer, int tag, std::span<std::byte> bytes) override {
    Message& message = messages_.emplace_back();
    for_each_piece(bytes.size(), [&](std::size_t offset, int length) {
      message.expected.push_back(inbox_.expect(
          peer, tag, bytes.subspan(offset, static_cast<std::size_t>(length))));
    });
    return messages_.size() - 1;
  }

  bool test(Ticket ticket) override {
    Message& message = messages_[ticket];
    std::erase_if(message.sent, [](MPI_Request& request) {
      int done = 0;
      DURE_MPI(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
      return done != 0;
    });
    std::erase_if(message.expected, [this](const auto& expected) {
      return inbox_.test(expected, comm_);
    });
    return message.sent.empty() && message.expected.empty();
  }

  void abandon() noexcept {
    for (Message& message : messages_) {
      for (MPI_Request& request : message.sent) {
        if (request != MPI_REQUEST_NULL) {
          MPI_Request_free(&request);
        }
      }
      for (const auto& expected : message.expected) {
        inbox_.give_up(expected);
      }
    }
  }

 private:
  // The rest of a message, in pieces.
  struct Message {
    std::vector<MPI_Request> sent = {};
    std::vector<std::shared_ptr<Inbox::Message>> expected = {};
  };

  MPI_Comm comm_;
  Inbox inbox_;
  std::vector<Message> messages_;  // by ticket
};

class Planned final : public Procedure {
 public:
  Planned(const Request& request, Channel& channel)
      : transport_(channel.data),
        execution_(plan_of({.kind = request.kind,
                            .algorithm = request.how.algorithm,
                            .rank = channel.rank,
                            .ranks = channel.size(),
                            .root = request.root}),
                   request,
                   transport_,
                   kTag) {
    const std::size_t bytes = execution_.scratch_bytes();
    execution_.set_scratch(
        {static_cast<std::byte*>(channel.scratch.buffer(0, bytes)), bytes});
  }

  bool advance() override { return execution_.advance(); }
  void abandon() noexcept override { transport_.abandon(); }

 private:
  MpiTransport transport_;
  PlanExecution execution_;
};

}  // namespace

std::unique_ptr<Procedure> make_planned(const Request& request,
                                        Channel& channel) {
  return std::make_unique<Planned>(request, channel);
}

}  // namespace dure::comm
