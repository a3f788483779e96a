// The way by which a plan's bytes travel between ranks: non-blocking messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dure::comm {

// Ranks are those of one communicator. Messages between two ranks with equal
// tags are received in the order in which they are sent; sizes agree. A send
// may be done only when it is received.
class Transport {
 public:
  using Ticket = std::uint64_t;

  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  // The bytes stay, and those sent stay unchanged, until test() is true.
  virtual Ticket send(int peer, int tag, std::span<const std::byte> bytes) = 0;
  virtual Ticket receive(int peer, int tag, std::span<std::byte> bytes) = 0;

  // Never blocks. It is not called again for a ticket after it was true.
  virtual bool test(Ticket ticket) = 0;
};

}  // namespace dure::comm
