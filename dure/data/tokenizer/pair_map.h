// A hash map from a pair of ids to a value: open addressing, linear probing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace dure::data {

// References are valid until the next insertion. Nothing is ever erased.
template <typename Value>
class PairMap {
 public:
  PairMap() : slots_(kFirstSlots) {}

  const Value* find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t wanted = key(left, right);
    for (std::size_t at = home(wanted);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].key == wanted) {
        return &slots_[at].value;
      }
      if (slots_[at].key == kEmpty) {
        return nullptr;
      }
    }
  }

  // The value of the pair; a new one is inserted if there was none.
  Value& operator()(std::int32_t left, std::int32_t right) {
    if (4 * (used_ + 1) > 3 * slots_.size()) {
      grow();
    }
    const std::uint64_t wanted = key(left, right);
    Slot& slot = slots_[place(wanted)];
    if (slot.key == kEmpty) {
      slot.key = wanted;
      ++used_;
    }
    return slot.value;
  }

  // Calls each(left, right, value) in an order that depends only on the keys.
  template <typename Each>
  void for_each(const Each& each) {
    for (Slot& slot : slots_) {
      if (slot.key != kEmpty) {
        each(static_cast<std::int32_t>(slot.key >> 32),
             static_cast<std::int32_t>(slot.key & 0xffffffff),
             slot.value);
      }
    }
  }

 private:
  static constexpr std::size_t kFirstSlots = 1024;
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // ids are >= 0

  struct Slot {
    std::uint64_t key = kEmpty;
    Value value{};
  };

  static std::uint64_t key(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }

  std::size_t home(std::uint64_t key) const {
    // Fibonacci hashing: 2^64 / golden ratio; the high bits are the good ones.
    const std::uint64_t mixed = (key ^ key >> 29) * 0x9e3779b97f4a7c15;
    return static_cast<std::size_t>(mixed >> 32) & (slots_.size() - 1);
  }

  std::size_t place(std::uint64_t key) const {
    std::size_t at = home(key);
    while (slots_[at].key != kEmpty && slots_[at].key != key) {
      at = (at + 1) & (slots_.size() - 1);
    }
    return at;
  }

  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (Slot& slot : old) {
      if (slot.key != kEmpty) {
        slots_[place(slot.key)] = std::move(slot);
      }
    }
  }

  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

}  // namespace dure::data
