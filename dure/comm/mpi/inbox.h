// Messages whose size is checked before they are received.
//
// A receive is not posted right away. MPI calls a message that is longer than
// its buffer an error, but Open MPI 4.1 then writes all of it (over shared
// memory, where it reads the sender's memory at once). So a message is first
// matched, and only one that fits goes into the caller's memory. A message that
// nobody has matched yet leaves nothing behind when it is given up.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "dure/comm/mpi/mpi_call.h"

namespace dure::comm {

// The inbox of one MPI communicator. Threads: under the engine's lock.
class Inbox {
 public:
  class Message {
   public:
    // Expects as many bytes as the span has. The span lives until test() is
    // true or throws, or until give_up().
    Message(int from, int tag, std::span<std::byte> to)
        : from_(from), tag_(tag), to_(to) {}

   private:
    friend class Inbox;
    int from_;
    int tag_;
    std::span<std::byte> to_;
    bool matched_ = false;
    int came_ = 0;                     // bytes, once it is matched
    std::vector<std::byte> unwanted_;  // the bytes of one that does not fit
    MPI_Request request_ = MPI_REQUEST_NULL;
  };

  // Messages of one rank and tag are matched in the order of these calls.
  std::shared_ptr<Message> expect(int from, int tag, std::span<std::byte> to);

  // True once it is here. Throws Mismatch if its length is another.
  bool test(const std::shared_ptr<Message>& message, MPI_Comm comm);

  void give_up(const std::shared_ptr<Message>& message) noexcept;

 private:
  using Key = std::pair<int, int>;

  void match(const std::shared_ptr<Message>& message, MPI_Comm comm);

  std::map<Key, std::deque<std::shared_ptr<Message>>> unmatched_;
};

}  // namespace dure::comm
