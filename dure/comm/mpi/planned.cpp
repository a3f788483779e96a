// Collectives by a plan of our own, as messages of MPI.
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "dure/comm/mpi/pieces.h"
#include "dure/comm/mpi/procedure.h"
#include "dure/comm/plan.h"
#include "dure/comm/plan_execution.h"

namespace dure::comm {
namespace {

// A communicator's collectives follow one another, and its messages have an
// MPI communicator of their own.
constexpr int kTag = 0;

class MpiTransport final : public Transport {
 public:
  explicit MpiTransport(MPI_Comm comm) : comm_(comm) {}

  Ticket send(int peer, int tag, std::span<const std::byte> bytes) override {
    return post(bytes.size(), Way::kOut, [&](std::size_t offset, int length) {
      DURE_MPI(MPI_Isend(bytes.data() + offset,
                         length,
                         MPI_BYTE,
                         peer,
                         tag,
                         comm_,
                         &requests_.back()));
    });
  }

  Ticket receive(int peer, int tag, std::span<std::byte> bytes) override {
    return post(bytes.size(), Way::kIn, [&](std::size_t offset, int length) {
      DURE_MPI(MPI_Irecv(bytes.data() + offset,
                         length,
                         MPI_BYTE,
                         peer,
                         tag,
                         comm_,
                         &requests_.back()));
    });
  }

  bool test(Ticket ticket) override {
    const Message& message = messages_[ticket];
    bool all = true;
    for (std::size_t i = message.first; i < message.last; ++i) {
      int done = 1;
      if (requests_[i] != MPI_REQUEST_NULL) {
        DURE_MPI(MPI_Test(&requests_[i], &done, MPI_STATUS_IGNORE));
      }
      all = all && done != 0;
    }
    return all;
  }

  void abandon() noexcept {
    for (const Message& message : messages_) {
      for (std::size_t i = message.first; i < message.last; ++i) {
        if (requests_[i] == MPI_REQUEST_NULL) {
          continue;
        }
        if (message.way == Way::kIn) {
          MPI_Cancel(&requests_[i]);
        }
        MPI_Request_free(&requests_[i]);
      }
    }
  }

 private:
  enum class Way : std::uint8_t { kOut, kIn };
  struct Message {
    std::size_t first;  // of its requests
    std::size_t last;
    Way way;
  };

  template <typename Post>
  Ticket post(std::size_t bytes, Way way, const Post& post_piece) {
    const std::size_t first = requests_.size();
    for_each_piece(bytes, [&](std::size_t offset, int length) {
      requests_.push_back(MPI_REQUEST_NULL);
      post_piece(offset, length);
    });
    messages_.push_back({first, requests_.size(), way});
    return messages_.size() - 1;
  }

  MPI_Comm comm_;
  std::vector<MPI_Request> requests_;
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
