// What ThreadSanitizer and AddressSanitizer need to be told about fibers.
//
// The functions are weak: they are there in a program that is built with a
// sanitizer, and these helpers do nothing in one that isn't.
#pragma once

#include <cstddef>

extern "C" {
// NOLINTBEGIN: names of the sanitizers
__attribute__((weak)) void* __tsan_create_fiber(unsigned flags);
__attribute__((weak)) void __tsan_destroy_fiber(void* fiber);
__attribute__((weak)) void* __tsan_get_current_fiber();
__attribute__((weak)) void __tsan_switch_to_fiber(void* fiber, unsigned flags);
__attribute__((weak)) void __tsan_acquire(void* address);
__attribute__((weak)) void __tsan_release(void* address);
__attribute__((weak)) void __tsan_read_range(void* first, unsigned long bytes);
__attribute__((weak)) void __tsan_write_range(void* first, unsigned long bytes);
__attribute__((weak)) void* __asan_region_is_poisoned(void* first,
                                                      std::size_t bytes);
__attribute__((weak)) void __asan_poison_memory_region(const volatile void*,
                                                       std::size_t);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void*,
                                                         std::size_t);
// NOLINTEND
}

namespace cuda_emulator {

inline bool under_thread_sanitizer() {
  return __tsan_create_fiber != nullptr;
}

// A sanitizer's identity of a fiber. Switching makes no happens-before edge:
// these are acquire() and release() alone.
class SanitizerFiber {
 public:
  SanitizerFiber()
      : fiber_(under_thread_sanitizer() ? __tsan_create_fiber(0) : nullptr) {}
  SanitizerFiber(const SanitizerFiber&) = delete;
  SanitizerFiber& operator=(const SanitizerFiber&) = delete;
  ~SanitizerFiber() {
    if (fiber_ != nullptr) {
      __tsan_destroy_fiber(fiber_);
    }
  }

  static void* current() {
    return under_thread_sanitizer() ? __tsan_get_current_fiber() : nullptr;
  }
  static void switch_to(void* fiber) {
    constexpr unsigned kNoEdge = 1;
    if (under_thread_sanitizer()) {
      __tsan_switch_to_fiber(fiber, kNoEdge);
    }
  }
  void* handle() const { return fiber_; }

 private:
  void* fiber_;
};

// An edge of happens-before from each release to each later acquire at the
// same address.
inline void acquire(void* at) {
  if (under_thread_sanitizer()) {
    __tsan_acquire(at);
  }
}
inline void release(void* at) {
  if (under_thread_sanitizer()) {
    __tsan_release(at);
  }
}

// Marks memory that nothing may access, and memory that may be.
inline void poison(void* first, std::size_t bytes) {
  if (__asan_poison_memory_region != nullptr) {
    __asan_poison_memory_region(first, bytes);
  }
}
inline void unpoison(void* first, std::size_t bytes) {
  if (__asan_unpoison_memory_region != nullptr) {
    __asan_unpoison_memory_region(first, bytes);
  }
}

// Tells ThreadSanitizer of an access by code that it does not watch.
inline void note_read(void* first, std::size_t bytes) {
  if (__tsan_read_range != nullptr) {
    __tsan_read_range(first, bytes);
  }
}
inline void note_write(void* first, std::size_t bytes) {
  if (__tsan_write_range != nullptr) {
    __tsan_write_range(first, bytes);
  }
}

// Whether some of these bytes are poisoned.
inline bool is_poisoned(void* first, std::size_t bytes) {
  return __asan_region_is_poisoned != nullptr &&
         __asan_region_is_poisoned(first, bytes) != nullptr;
}

}  // namespace cuda_emulator
