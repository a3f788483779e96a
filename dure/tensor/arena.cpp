#include "dure/tensor/arena.h"

#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>

#include "dure/base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define DURE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DURE_ASAN 1
#endif
#endif
#ifdef DURE_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace dure {
namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, an AVX-512 register
// Ranges on the free list before it must grow: more than a model has layers.
constexpr std::size_t kFreeRanges = 4096;

std::size_t rounded(std::size_t bytes) {
  return (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment *
         kAlignment;
}

std::size_t machine_bytes() {
  return static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// The address sanitizer sees a block that was given back as poison.
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

// A simulated machine may be larger than this one: address space is free.
constexpr std::size_t kSimulatedBytes = std::size_t{1} << 44;

}  // namespace

Buffer::~Buffer() {
  if (arena_ != nullptr) {
    arena_->release(data_, bytes_, category_);
  }
}

Arena::Arena(Options options) : device_(options.device) {
  const bool simulated = device_ == Device::kSim;
  limit_ = options.limit_bytes > 0 ? options.limit_bytes
           : simulated             ? kSimulatedBytes
                                   : machine_bytes();
  reserved_ = simulated ? kSimulatedBytes : limit_;
  // On kSim no access is allowed at all: whoever touches data faults.
  const int access = simulated ? PROT_NONE : PROT_READ | PROT_WRITE;
  void* range = ::mmap(nullptr,
                       reserved_,
                       access,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                       -1,
                       0);
  DURE_CHECK(
      range != MAP_FAILED,
      "can't reserve ",
      reserved_ >> 30,
      " GiB of addresses; set memory.limit_gib lower, or raise ulimit -v");
  ::madvise(range, reserved_, MADV_HUGEPAGE);  // where the system allows it
  base_ = static_cast<std::byte*>(range);
  free_.reserve(kFreeRanges);
  free_.push_back({0, reserved_});
}

Arena::~Arena() {
  if (device_ != Device::kSim) {
    unpoison(base_, high_water_);
  }
  ::munmap(base_, reserved_);
}

Buffer Arena::allocate(std::size_t bytes, Category category) {
  const std::size_t size = rounded(bytes);
  const auto range =
      std::find_if(free_.begin(), free_.end(), [&](const Range& r) {
        return r.bytes >= size;
      });
  DURE_CHECK(range != free_.end() && ledger_.current() + size <= limit_,
             "out of memory: ",
             size,
             " bytes of ",
             name_of(category),
             " wanted over a limit of ",
             limit_ >> 20,
             " MiB; held: ",
             to_string(ledger_),
             "; lower train.micro_batch or data.sequence, or raise "
             "memory.limit_gib");
  std::byte* data = base_ + range->offset;
  high_water_ = std::max(high_water_, range->offset + size);
  range->offset += size;
  range->bytes -= size;
  if (range->bytes == 0) {
    free_.erase(range);
  }
  if (device_ != Device::kSim) {
    unpoison(data, bytes);
  }
  ledger_.add(category, size);
  return Buffer(this, data, size, category);
}

OwnedTensor Arena::tensor(const Shape& shape, Category category, DType dtype) {
  const std::size_t bytes =
      static_cast<std::size_t>(shape.elements()) * size_of(dtype);
  return OwnedTensor(allocate(bytes, category), shape, dtype);
}

void Arena::release(void* data, std::size_t bytes, Category category) {
  if (device_ != Device::kSim) {
    poison(data, bytes);
  }
  ledger_.subtract(category, bytes);
  insert_free(
      {static_cast<std::size_t>(static_cast<std::byte*>(data) - base_), bytes});
}

void Arena::insert_free(Range range) {
  auto next = std::lower_bound(
      free_.begin(), free_.end(), range, [](const Range& a, const Range& b) {
        return a.offset < b.offset;
      });
  if (next != free_.end() && range.offset + range.bytes == next->offset) {
    range.bytes += next->bytes;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    Range& before = *std::prev(next);
    if (before.offset + before.bytes == range.offset) {
      before.bytes += range.bytes;
      return;
    }
  }
  free_.insert(next, range);
}

}  // namespace dure
