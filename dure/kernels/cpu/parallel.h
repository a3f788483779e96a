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

// This thread's part of [0, count).
struct Range {
  std::int64_t first;
  std::int64_t last;
};

inline Range range_of_thread(std::int64_t count, std::int64_t unit) {
  const std::int64_t units = (count + unit - 1) / unit;
  const std::int64_t threads = omp_get_num_threads();
  const std::int64_t thread = omp_get_thread_num();
  return {units * thread / threads * unit,
          std::min(count, units * (thread + 1) / threads * unit)};
}

// Calls body(first, last) once on each thread, on ranges that part [0, count).
// The body must not throw.
template <typename Body>
void parallel_ranges(std::int64_t count, Split split, const Body& body) {
  if (count * split.elements_per_item < kParallelElements) {
    return body(std::int64_t{0}, count);
  }
#pragma omp parallel
  {
    const Range mine = range_of_thread(count, split.unit);
    if (mine.first < mine.last) {
      body(mine.first, mine.last);
    }
  }
}

// A matrix walked twice, once with threads sharing its columns, for sums over
// rows, and once sharing its rows: block after block of rows, so that the
// second walk finds the block in the cache. Calls columns(block, part) and then
// rows(part), of ranges of rows, columns, and rows. A thread may be past a
// block's end while another is in rows() of it.
template <typename Columns, typename Rows>
void parallel_columns_then_rows(std::int64_t N,
                                std::int64_t C,
                                const Columns& columns,
                                const Rows& rows) {
  // Two arrays of it are the L2 cache of one core of a server.
  constexpr std::int64_t kBlockElements = 1 << 17;
  const std::int64_t block_rows =
      std::max<std::int64_t>(1, kBlockElements / std::max<std::int64_t>(1, C));
#pragma omp parallel if (N * C >= kParallelElements)
  {
    const Range my_columns = range_of_thread(C, kFlat.unit);
    for (std::int64_t n = 0; n < N; n += block_rows) {
      const Range block = {n, std::min(N, n + block_rows)};
      columns(block, my_columns);
#pragma omp barrier
      const Range part = range_of_thread(block.last - block.first, /*unit=*/1);
      rows(Range{n + part.first, n + part.last});
    }
  }
}

}  // namespace dure::kernels
