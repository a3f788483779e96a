// Work split over a rank's threads: the one place where OpenMP is spoken.
//
// How many threads a rank has is set by omp_set_num_threads() on its own
// thread. Nothing here may make a result depend on that number: a range is one
// of independent elements, rows or columns.
#pragma once

#include <algorithm>
#include <cstdint>
#include <omp.h>

namespace dure::kernels {

// Below this many elements one thread is done before others are awake: they
// take some 5 us, in which a core moves about 16 thousand.
inline constexpr std::int64_t kParallelElements = 1 << 15;

// How [0, count) may be cut: at multiples of `unit`, and an item of it stands
// for this many elements of work.
struct Split {
  std::int64_t unit = 1;
  std::int64_t elements_per_item = 1;
};

// Elements of a flat array: cuts fall between cache lines.
inline constexpr Split kFlat = {.unit = 16};

// Calls body(first, last) once on each thread, on ranges that part [0, count).
// The body must not throw.
template <typename Body>
void parallel_ranges(std::int64_t count, Split split, const Body& body) {
  if (count * split.elements_per_item < kParallelElements) {
    return body(std::int64_t{0}, count);
  }
  const std::int64_t units = (count + split.unit - 1) / split.unit;
#pragma omp parallel
  {
    const std::int64_t threads = omp_get_num_threads();
    const std::int64_t thread = omp_get_thread_num();
    const std::int64_t first = units * thread / threads * split.unit;
    const std::int64_t end = units * (thread + 1) / threads * split.unit;
    const std::int64_t last = std::min(end, count);
    if (first < last) {
      body(first, last);
    }
  }
}

}  // namespace dure::kernels
