// The memory into which matrix products pack their operands. A stream keeps it
// (Stream::kept), and it grows to the largest product's needs.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <sys/mman.h>

namespace dure::kernels {

class GemmWorkspace {
 public:
  // At least so many elements, uninitialised. If they take more than half a
  // large page, they are on large pages where the system has them. (The system
  // clears a whole page at its first byte, for which a thousand ranks with
  // small matrices would wait.)
  float* at_least(std::int64_t elements) {
    if (elements > elements_) {
      memory_.reset();  // first: old and new need not stand side by side
      memory_.reset(allocate(static_cast<std::size_t>(elements)));
      elements_ = elements;
    }
    return memory_.get();
  }

 private:
  static constexpr std::size_t kPageBytes = 2U << 20;
  static constexpr std::size_t kSmallPageBytes = 4096;
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };

  static float* allocate(std::size_t elements) {
    const std::size_t wanted = elements * sizeof(float);
    const std::size_t page =
        wanted > kPageBytes / 2 ? kPageBytes : kSmallPageBytes;
    const std::size_t bytes = (wanted + page - 1) / page * page;
    void* const memory = std::aligned_alloc(page, bytes);
    if (memory == nullptr) {
      throw std::bad_alloc();
    }
    if (page == kPageBytes) {
      ::madvise(memory, bytes, MADV_HUGEPAGE);  // where the system allows it
    }
    return static_cast<float*>(memory);
  }

  std::unique_ptr<float, Free> memory_;
  std::int64_t elements_ = 0;
};

}  // namespace dure::kernels
