// Memory: ranges of addresses from which an arena takes its bytes.
//
// A range is reserved first, which costs nothing, and its bytes are made usable
// from its low end as they are needed. If addresses are limited (ulimit -v), a
// range is no larger than the current need. If the system counts bytes that
// might be written (vm.overcommit_memory = 2), only usable bytes count.
#pragma once

#include <cstddef>
#include <memory>

#include "dure/base/limits.h"
#include "dure/tensor/ledger.h"
#include "dure/tensor/stream.h"

namespace dure {

// Threads: one of its arena's at a time.
class Memory {
 public:
  struct Range {
    std::byte* first = nullptr;
    std::size_t bytes = 0;
    std::size_t usable = 0;  // of its bytes, from the first one on

    std::byte* last() const { return first + bytes; }  // one past the end
  };

  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  virtual ~Memory() = default;

  virtual Tier tier() const = 0;
  // The bytes that there are, for an arena without a limit of its own.
  virtual MemoryLimit limit() const = 0;

  // A range of `most` bytes, or of fewer, but at least `least`, if addresses
  // are scarce. Throws Error if there are not even `least`.
  virtual Range reserve(std::size_t least, std::size_t most) = 0;
  // Makes the first `bytes` of the range usable. Throws Error if there is not
  // so much memory.
  virtual void make_usable(Range& range, std::size_t bytes) = 0;
  virtual void give_back(const Range& range) noexcept = 0;

  // The arena tells when a block of a range begins to be held and when it ends,
  // for memory that can report an access to a block that nobody holds.
  virtual void begin_use(void* /*block*/, std::size_t /*bytes*/) noexcept {}
  virtual void end_use(void* /*block*/, std::size_t /*bytes*/) noexcept {}
};

// Pages of this machine. They become real when they are first written. The
// address sanitizer reports access to a block that nobody holds.
std::unique_ptr<Memory> make_cpu_memory();

// Addresses without memory: an access faults. There may be more of them than
// any machine has. Memory of another number has other addresses.
std::unique_ptr<Memory> make_simulated_memory(std::uint64_t number);

// The memory of a GPU, in tensor/cuda. Its blocks are used in the order of the
// queue.
std::unique_ptr<Memory> make_cuda_memory(DeviceQueue& queue);

// The memory of a stream's device. The stream outlives it.
std::unique_ptr<Memory> make_memory(Stream& home);

}  // namespace dure
