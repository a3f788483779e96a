// Messages posted together.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dure/comm/mpi/operation.h"

namespace dure::comm {

class MessagesOperation final : public Operation {
 public:
  MessagesOperation(std::shared_ptr<MpiEngine> engine,
                    std::shared_ptr<Channel> channel,
                    std::span<const Request> messages);

  bool advance() override;
  void abandon() noexcept override;
  std::string describe() const override;  // those that are not done

 protected:
  void record(FlightRecorder::State state) override;

 private:
  // A piece that is sent, or one that is expected.
  struct Piece {
    MPI_Request request = MPI_REQUEST_NULL;
    std::shared_ptr<Inbox::Message> expected = {};
    bool done = false;
  };
  struct Transfer {
    Request message;
    std::vector<Piece> pieces = {};
    bool done = false;
  };

  void post(Transfer& transfer) const;
  void post_piece(Transfer& transfer, std::size_t offset, int bytes) const;
  // Throw Mismatch if sizes differ.
  bool test(Transfer& transfer) const;
  bool test(const Transfer& transfer, Piece& piece) const;
  void finish(Transfer& transfer, FlightRecorder::State state) const;

  std::vector<Transfer> transfers_;
  std::string error_;  // the first; the other messages go on
  bool posted_ = false;
};

}  // namespace dure::comm
