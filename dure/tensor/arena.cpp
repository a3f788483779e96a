#include "dure/tensor/arena.h"

#include <algorithm>
#include <cstdint>
#include <sys/mman.h>

#include "dure/base/check.h"
#include "dure/base/limits.h"

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

// Where no process has memory: above the 47 bits of user space, and not so high
// that a processor would ignore the bits.
constexpr std::uintptr_t kNowhere = std::uintptr_t{1} << 48;
// A simulated machine may be larger than this one.
constexpr std::size_t kSimulatedBytes = std::size_t{1} << 44;

constexpr std::size_t kPage = std::size_t{2} << 20;  // a huge one
// By which more becomes usable, or, where addresses are limited, reserved.
constexpr std::size_t kLeastStep = 8 * kPage;
constexpr std::size_t kMostStep = std::size_t{1} << 30;
// From here on memory is asked for in huge pages. The system clears a whole one
// for the first byte of it: an arena of little more than that, of which there
// may be a thousand, is quicker without.
constexpr std::size_t kHugeFrom = 2 * kLeastStep;

std::size_t in_pages(std::size_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

// As many addresses as can be had, up to `wanted`, but no fewer than `least`:
// else null. `bytes` gets how many.
void* map_addresses(std::size_t wanted, std::size_t least, std::size_t& bytes) {
  for (bytes = wanted;; bytes = std::max(least, bytes / 2)) {
    void* const range = ::mmap(nullptr,
                               bytes,
                               PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                               -1,
                               0);
    if (range != MAP_FAILED || bytes == least) {
      return range == MAP_FAILED ? nullptr : range;
    }
  }
}

std::string in_mib(std::size_t bytes) {
  return concat(bytes >> 20, " MiB");
}

// Of a message about addresses.
std::string addresses_text() {
  const auto left = addresses_left();
  return left ? concat("ulimit -v leaves ", in_mib(*left), ": raise it")
              : "the system has no more (vm.max_map_count, "
                "vm.overcommit_memory)";
}

}  // namespace

Buffer::~Buffer() {
  if (arena_ != nullptr) {
    arena_->release(data_, bytes_, category_);
  }
}

Arena::Arena(Options options)
    : device_(options.device), limit_(options.limit_bytes) {
  free_.reserve(kFreeRanges);
  if (device_ == Device::kSim) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): never read or written
    const Range range = {reinterpret_cast<std::byte*>(kNowhere),
                         kSimulatedBytes};
    segments_.push_back({.range = range, .usable = kSimulatedBytes});
    free_.push_back(range);
    if (limit_ == 0) {
      limit_ = kSimulatedBytes;
      limit_name_ = "the most that is simulated";
    }
  } else if (limit_ == 0) {
    const MemoryLimit there_is = memory_limit();
    limit_ = there_is.bytes;
    limit_name_ = there_is.name;
  }
}

Arena::~Arena() {
  if (device_ == Device::kSim) {
    return;
  }
  for (const Segment& segment : segments_) {
    unpoison(segment.range.first, segment.high_water);
    ::munmap(segment.range.first, segment.range.bytes);
  }
}

std::size_t Arena::high_water() const {
  std::size_t bytes = 0;
  for (const Segment& segment : segments_) {
    bytes += segment.high_water;
  }
  return bytes;
}

Buffer Arena::allocate(std::size_t bytes, Category category) {
  const std::size_t size = rounded(bytes);
  if (size < bytes || size > limit_ || ledger_.current() > limit_ - size) {
    refuse(bytes, category);
  }
  auto range = first_fit(size);
  if (range == free_.end()) {
    if (device_ == Device::kSim) {
      refuse(bytes, category);
    }
    reserve(size);
    range = first_fit(size);
  }
  std::byte* const data = range->first;
  Segment& segment = segment_of(data);
  const auto end = static_cast<std::size_t>(data - segment.range.first) + size;
  make_usable(segment, end);
  segment.high_water = std::max(segment.high_water, end);
  range->first += size;
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

void Arena::refuse(std::size_t bytes, Category category) const {
  const bool configured = limit_name_ == "memory.limit_gib";
  throw Error(
      concat("out of memory: ",
             bytes,
             " bytes of ",
             name_of(category),
             " wanted over a limit of ",
             in_mib(limit_),
             ", ",
             limit_name_,
             "; held: ",
             to_string(ledger_),
             "; ask for less at once (train.micro_batch, data.sequence), or ",
             configured ? "raise memory.limit_gib"
                        : "use more ranks on other machines"));
}

std::vector<Arena::Range>::iterator Arena::first_fit(std::size_t bytes) {
  return std::find_if(free_.begin(), free_.end(), [&](const Range& range) {
    return range.bytes >= bytes;
  });
}

// A range in which a block of `bytes` fits: of all that the limit allows, or by
// need where addresses are limited.
void Arena::reserve(std::size_t bytes) {
  std::size_t reserved = 0;
  for (const Segment& segment : segments_) {
    reserved += segment.range.bytes;
  }
  const std::size_t least = in_pages(bytes);
  const std::size_t all = in_pages(limit_);
  const std::size_t wanted =
      addresses_left()
          ? std::min(std::clamp(reserved, kLeastStep, kMostStep), all)
          : all;
  Range range = {nullptr, 0};
  range.first = static_cast<std::byte*>(
      map_addresses(std::max(least, wanted), least, range.bytes));
  DURE_CHECK(range.first != nullptr,
             "can't reserve ",
             in_mib(least),
             " of addresses for tensors, beside ",
             in_mib(reserved),
             "; ",
             addresses_text(),
             ", or ask for less at once (train.micro_batch, data.sequence)");
  segments_.push_back({.range = range});
  insert_free(range);
}

Arena::Segment& Arena::segment_of(const std::byte* address) {
  return *std::find_if(
      segments_.begin(), segments_.end(), [&](const Segment& segment) {
        return address >= segment.range.first && address < segment.range.last();
      });
}

// In steps, so that the system is seldom called.
void Arena::make_usable(Segment& segment, std::size_t bytes) {
  if (bytes <= segment.usable) {
    return;
  }
  const std::size_t step =
      std::clamp(segment.usable / 4, kLeastStep, kMostStep);
  std::byte* const first = segment.range.first + segment.usable;
  for (const std::size_t wanted :
       {in_pages(std::max(bytes, segment.usable + step)), in_pages(bytes)}) {
    const std::size_t end = std::min(wanted, segment.range.bytes);
    const std::size_t more = end - segment.usable;
    if (::mprotect(first, more, PROT_READ | PROT_WRITE) == 0) {
      segment.usable = end;
      if (end >= kHugeFrom) {  // where the system allows it
        ::madvise(segment.range.first, end, MADV_HUGEPAGE);
      }
      return;
    }
  }
  throw Error(concat(
      "the system does not commit ",
      in_mib(bytes - segment.usable),
      " more for tensors, beside ",
      in_mib(segment.usable),
      ": it promises no more than it has "
      "(vm.overcommit_memory = 2; CommitLimit in /proc/meminfo); "
      "raise vm.overcommit_ratio, or ask for less at once (train.micro_batch, "
      "data.sequence"));
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
  insert_free({static_cast<std::byte*>(data), bytes});
}

// Whether they are one range. Segments stay apart, even where they touch.
bool Arena::touch(const Range& before, const Range& after) const {
  return before.last() == after.first &&
         std::none_of(
             segments_.begin(), segments_.end(), [&](const Segment& segment) {
               return segment.range.first == after.first;
             });
}

void Arena::insert_free(Range range) {
  auto next = std::lower_bound(
      free_.begin(), free_.end(), range, [](const Range& a, const Range& b) {
        return a.first < b.first;
      });
  if (next != free_.end() && touch(range, *next)) {
    range.bytes += next->bytes;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    Range& before = *std::prev(next);
    if (touch(before, range)) {
      before.bytes += range.bytes;
      return;
    }
  }
  free_.insert(next, range);
}

}  // namespace dure
