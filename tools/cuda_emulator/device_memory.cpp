#include "tools/cuda_emulator/device_memory.h"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/cuda_emulator/sanitizer_fiber.h"
#include "tools/cuda_emulator/stream_queue.h"

namespace cuda_emulator {
namespace {

using Address = std::uintptr_t;

// Ranges by their first address, with their bytes.
using Ranges = std::map<Address, std::size_t>;

struct Memory {
  Ranges reserved;
  Ranges mapped;
  Ranges pinned;
  std::size_t mapped_bytes = 0;
  int open = 0;
};

Memory& memory() {
  static auto* const all = new Memory;  // outlives every other object
  return *all;
}

Address address_of(const void* at) {
  return reinterpret_cast<Address>(at);
}
void* pointer_to(Address at) {
  return reinterpret_cast<void*>(at);
}

bool is_in(const Ranges& ranges, Address at, std::size_t bytes) {
  const auto after = ranges.upper_bound(at);
  if (after == ranges.begin()) {
    return false;
  }
  const auto& [first, size] = *std::prev(after);
  return at + bytes <= first + size;
}

// ThreadSanitizer finds what the host does too early without help.
bool protects() {
  return mode() == Mode::kSeeded;
}

void protect(Address first, std::size_t bytes, int access) {
  if (protects() && mprotect(pointer_to(first), bytes, access) != 0) {
    std::perror("cuda emulator: mprotect");
    std::abort();
  }
}

struct sigaction before_ours;

// Says what touched device memory, and lets the fault happen again.
void on_fault(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const Address at = address_of(info->si_addr);
  if (is_in(memory().reserved, at, 1)) {
    const std::string place = describe_place();
    std::fprintf(stderr,
                 "cuda emulator: access to device memory at %p by %s\n",
                 info->si_addr,
                 place.empty() ? "the host" : place.c_str());
  }
  sigaction(SIGSEGV, &before_ours, nullptr);
}

void explain_faults() {
  struct sigaction ours = {};
  ours.sa_sigaction = on_fault;
  ours.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &ours, &before_ours);
}

// Forgets what is mapped in these bytes.
void forget_mapped(Address first, std::size_t bytes) {
  Memory& all = memory();
  for (auto it = all.mapped.lower_bound(first);
       it != all.mapped.end() && it->first < first + bytes;
       it = all.mapped.erase(it)) {
    all.mapped_bytes -= it->second;
  }
}

}  // namespace

void* reserve_device(std::size_t bytes) {
  static const bool explains = (explain_faults(), true);
  static_cast<void>(explains);
  const std::size_t padded = bytes + 2 * kDevicePage;  // guards on both sides
  void* const range = mmap(nullptr,
                           padded,
                           PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                           -1,
                           0);
  if (range == MAP_FAILED) {
    return nullptr;
  }
  const Address begin = address_of(range);
  const Address first = (begin + kDevicePage) / kDevicePage * kDevicePage;
  const Address last = first + bytes;
  if (first > begin + 4096) {
    munmap(range, first - begin - 4096);
  }
  if (begin + padded > last + 4096) {
    munmap(pointer_to(last + 4096), begin + padded - last - 4096);
  }
  memory().reserved[first] = bytes;
  return pointer_to(first);
}

bool map_device(void* first, std::size_t bytes) {
  Memory& all = memory();
  if (all.mapped_bytes + bytes > device_bytes()) {
    return false;
  }
  if (mprotect(first, bytes, PROT_READ | PROT_WRITE) != 0) {
    return false;
  }
  unpoison(first, bytes);
  fill_with_garbage(first, bytes, streams().random());
  all.mapped[address_of(first)] = bytes;
  all.mapped_bytes += bytes;
  if (all.open == 0) {
    protect(address_of(first), bytes, PROT_NONE);
  }
  return true;
}

void unmap_device(void* first, std::size_t bytes) {
  forget_mapped(address_of(first), bytes);
  // The pages go back to the machine, and any access faults.
  madvise(first, bytes, MADV_DONTNEED);
  mprotect(first, bytes, PROT_NONE);
}

void free_device(void* first) {
  const auto found = memory().reserved.find(address_of(first));
  unmap_device(first, found->second);  // unless it is unmapped already
  unpoison(first, found->second);
  munmap(pointer_to(found->first - 4096), found->second + 2 * 4096);
  memory().reserved.erase(found);
}

std::size_t device_bytes() {
  const char* const text = std::getenv("CUDA_EMULATOR_MEMORY_MIB");
  const std::size_t mebibytes =
      text == nullptr ? 4096 : std::strtoull(text, nullptr, 10);
  return mebibytes << 20;
}

std::size_t mapped_bytes() {
  return memory().mapped_bytes;
}

bool is_device(const void* address, std::size_t bytes) {
  return is_in(memory().reserved, address_of(address), bytes);
}

void* allocate_pinned(std::size_t bytes) {
  const std::size_t padded = (bytes + 63) / 64 * 64;
  void* const first = std::aligned_alloc(64, std::max<std::size_t>(padded, 64));
  if (first != nullptr) {
    fill_with_garbage(first, bytes, streams().random());
    memory().pinned[address_of(first)] = bytes;
  }
  return first;
}

void free_pinned(void* first) {
  memory().pinned.erase(address_of(first));
  std::free(first);
}

bool is_pinned(const void* first, std::size_t bytes) {
  return is_in(memory().pinned, address_of(first), bytes);
}

OpenMemory::OpenMemory() {
  if (memory().open++ == 0) {
    for (const auto& [first, bytes] : memory().mapped) {
      protect(first, bytes, PROT_READ | PROT_WRITE);
    }
  }
}

OpenMemory::~OpenMemory() {
  if (--memory().open == 0) {
    for (const auto& [first, bytes] : memory().mapped) {
      protect(first, bytes, PROT_NONE);
    }
  }
}

}  // namespace cuda_emulator
