#include <algorithm>
#include <string>
#include <sys/mman.h>

#include "dure/base/arithmetic.h"
#include "dure/base/check.h"
#include "dure/tensor/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define DURE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DURE_ASAN 1
#endif
#endif
#ifdef DURE_ASAN
#include <fmt/core.h>
#include <sanitizer/asan_interface.h>
#endif

namespace dure {
namespace {

// Makes the address sanitizer report access to the block.
void poison([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) {
#ifdef DURE_ASAN
  ASAN_POISON_MEMORY_REGION(data, bytes);
#endif
}
void unpoison([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) {
#ifdef DURE_ASAN
  ASAN_UNPOISON_MEMORY_REGION(data, bytes);
#endif
}

constexpr std::size_t kPage = std::size_t{2} << 20;  // a huge page
// The steps in which memory becomes usable or, with limited addresses,
// reserved.
constexpr std::size_t kLeastStep = 8 * kPage;
constexpr std::size_t kMostStep = std::size_t{1} << 30;
// From this size on memory uses huge pages. The system clears a whole huge page
// at its first byte, so arenas of little more than one, of which there may be a
// thousand, are quicker without them.
constexpr std::size_t kHugeFrom = 2 * kLeastStep;

std::size_t in_pages(std::size_t bytes) {
  return round_up(bytes, kPage);
}

std::string in_mib(std::size_t bytes) {
  return fmt::format("{} MiB", bytes >> 20);
}

// The part of a message that says why there are no more addresses.
std::string addresses_text() {
  const auto left = addresses_left();
  return left ? fmt::format("ulimit -v leaves {}: raise it", in_mib(*left))
              : "the system has no more (vm.max_map_count, "
                "vm.overcommit_memory)";
}

// Maps at most `wanted` addresses, and fewer if there are not so many; none if
// there are fewer than `least`.
Memory::Range map_addresses(std::size_t wanted, std::size_t least) {
  for (std::size_t bytes = wanted;; bytes = std::max(least, bytes / 2)) {
    void* const first = ::mmap(nullptr,
                               bytes,
                               PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                               -1,
                               0);
    if (first != MAP_FAILED) {
      return {.first = static_cast<std::byte*>(first), .bytes = bytes};
    }
    if (bytes == least) {
      return {};
    }
  }
}

class CpuMemory final : public Memory {
 public:
  Tier tier() const override { return Tier::kDevice; }
  MemoryLimit limit() const override { return memory_limit(); }

  Range reserve(std::size_t least, std::size_t most) override;
  void make_usable(Range& range, std::size_t bytes) override;

  void give_back(const Range& range) noexcept override {
    unpoison(range.first, range.usable);
    ::munmap(range.first, range.bytes);
    reserved_ -= range.bytes;
  }

  void begin_use(void* block, std::size_t bytes) noexcept override {
    unpoison(block, bytes);
  }
  void end_use(void* block, std::size_t bytes) noexcept override {
    poison(block, bytes);
  }

 private:
  std::size_t reserved_ = 0;
};

// If addresses are limited, reserves as much again as there is.
Memory::Range CpuMemory::reserve(std::size_t least, std::size_t most) {
  least = in_pages(least);
  most = in_pages(most);
  const std::size_t wanted =
      addresses_left()
          ? std::min(std::clamp(reserved_, kLeastStep, kMostStep), most)
          : most;
  const Range range = map_addresses(std::max(least, wanted), least);
  DURE_CHECK(range.first != nullptr,
             "can't reserve {} of addresses for tensors, beside {}; {}, or ask "
             "for less at once (train.micro_batch, data.sequence)",
             in_mib(least),
             in_mib(reserved_),
             addresses_text());
  reserved_ += range.bytes;
  return range;
}

// Goes in steps, so that the system is seldom called.
void CpuMemory::make_usable(Range& range, std::size_t bytes) {
  if (bytes <= range.usable) {
    return;
  }
  const std::size_t step = std::clamp(range.usable / 4, kLeastStep, kMostStep);
  std::byte* const first = range.first + range.usable;
  for (const std::size_t wanted :
       {in_pages(std::max(bytes, range.usable + step)), in_pages(bytes)}) {
    const std::size_t end = std::min(wanted, range.bytes);
    const std::size_t more = end - range.usable;
    if (::mprotect(first, more, PROT_READ | PROT_WRITE) == 0) {
      range.usable = end;
      if (end >= kHugeFrom) {  // where the system allows it
        ::madvise(range.first, end, MADV_HUGEPAGE);
      }
      return;
    }
  }
  throw Error(
      "the system does not commit {} more for tensors, beside {}: "
      "it promises no more than it has (vm.overcommit_memory = 2; "
      "CommitLimit in /proc/meminfo); raise vm.overcommit_ratio, "
      "or ask for less at once (train.micro_batch, data.sequence",
      in_mib(bytes - range.usable),
      in_mib(range.usable));
}

}  // namespace

std::unique_ptr<Memory> make_cpu_memory() {
  return std::make_unique<CpuMemory>();
}

}  // namespace dure
