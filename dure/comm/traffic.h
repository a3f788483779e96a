// Calls and bytes, by mesh axis and kind.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "dure/comm/collective.h"

namespace dure::comm {

// The traffic of one rank. Threads: the rank's own only. Bytes are those of x
// or y, whichever is larger: nccl-tests' size S.
class Traffic {
 public:
  struct Count {
    std::uint64_t calls = 0;
    std::uint64_t bytes = 0;
    bool operator==(const Count&) const = default;
  };
  using Counts = std::array<Count, kKinds>;

  void add(const std::string& axis, Kind kind, std::uint64_t bytes) {
    Count& count = by_axis_[axis][static_cast<std::size_t>(kind)];
    ++count.calls;
    count.bytes += bytes;
  }

  Count of(const std::string& axis, Kind kind) const;
  const std::map<std::string, Counts>& by_axis() const { return by_axis_; }

 private:
  std::map<std::string, Counts> by_axis_;
};

}  // namespace dure::comm
