#include <algorithm>
#include <cstdint>

#include "dure/tensor/memory.h"

namespace dure {
namespace {

// Addresses where no process has memory: above the 47 bits of user space, but
// low enough that a processor checks all bits.
constexpr std::uintptr_t kNowhere = std::uintptr_t{1} << 48;
// A simulated machine may be larger than this one.
constexpr std::size_t kSimulatedBytes = std::size_t{1} << 44;
// The addresses that memory of one number has, and how many numbers there are.
constexpr std::uintptr_t kSpace = std::uintptr_t{1} << 46;
constexpr std::uint64_t kSpaces = 200000;

class SimulatedMemory final : public Memory {
 public:
  explicit SimulatedMemory(std::uint64_t number)
      : next_(kNowhere + number % kSpaces * kSpace) {}

  Tier tier() const override { return Tier::kDevice; }

  MemoryLimit limit() const override {
    return {.bytes = kSimulatedBytes, .name = "the most that is simulated"};
  }

  // Addresses cost nothing, so it reserves so many that every block finds room.
  Range reserve(std::size_t least, std::size_t most) override {
    const std::size_t bytes = std::max({least, most, kSimulatedBytes});
    // NOLINTNEXTLINE(performance-no-int-to-ptr): never read or written
    auto* const first = reinterpret_cast<std::byte*>(next_);
    next_ += bytes;
    return {.first = first, .bytes = bytes, .usable = bytes};
  }

  void make_usable(Range& /*range*/, std::size_t /*bytes*/) override {}
  void give_back(const Range& /*range*/) noexcept override {}

 private:
  std::uintptr_t next_;
};

}  // namespace

std::unique_ptr<Memory> make_simulated_memory(std::uint64_t number) {
  return std::make_unique<SimulatedMemory>(number);
}

}  // namespace dure
