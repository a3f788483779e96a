// Memory: where an arena's bytes are, as ranges of addresses.
//
// A range is reserved first, which costs nothing, and its bytes are made usable
// from its low end as they are needed. Where addresses are limited (ulimit -v)
// a range is no larger than the need of the moment; where the system counts
// what might be written (vm.overcommit_memory = 2) it counts what is usable,
// not what is reserved.
#pragma once

#include <cstddef>
#include <memory>

#include "dure/base/limits.h"
#include "dure/tensor/device.h"
#include "dure/tensor/ledger.h"

namespace dure {

// Threads: those of its arena, one at a time.
class Memory {
 public:
  struct Range {
    std::byte* first = nullptr;
    std::size_t bytes = 0;
    std::size_t usable = 0;  // of its bytes, from the first one on

    std::byte* last() const { return first + bytes; }  // behind it
  };

  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  virtual ~Memory() = default;

  virtual Tier tier() const = 0;
  // What there is of it, for an arena that has no limit of its own.
  virtual MemoryLimit limit() const = 0;

  // A range of `most` bytes, or of fewer where addresses are scarce, but of
  // `least` at least. Throws Error where not even these can be had.
  virtual Range reserve(std::size_t least, std::size_t most) = 0;
  // The first `bytes` of the range can be used from now on. Throws Error where
  // there is not so much memory.
  virtual void make_usable(Range& range, std::size_t bytes) = 0;
  virtual void give_back(const Range& range) noexcept = 0;

  // A block of a range is held from now on, or not held any more: for memory
  // that can tell whoever touches a block that nobody holds.
  virtual void begin_use(void* /*block*/, std::size_t /*bytes*/) noexcept {}
  virtual void end_use(void* /*block*/, std::size_t /*bytes*/) noexcept {}
};

// Pages of this machine. They become real when they are first written. The
// address sanitizer sees a block that nobody holds as poison.
std::unique_ptr<Memory> make_cpu_memory();

// Addresses that are nobody's: whoever touches data faults. There may be more
// of it than any machine has.
std::unique_ptr<Memory> make_simulated_memory();

// That of a device.
std::unique_ptr<Memory> make_memory(Device device);

}  // namespace dure
