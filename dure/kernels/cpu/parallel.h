// Work split over a rank's threads.
//
// No result may depend on the number of threads, nor on which of them does
// what: a range consists of independent elements, rows or columns.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dure/kernels/cpu/range.h"
#include "dure/tensor/stream.h"

namespace dure::kernels {

// Below this many elements one thread is done before others are awake: they
// take some 5 us, in which a core moves about 16 thousand elements.
inline constexpr std::int64_t kParallelElements = 1 << 15;

// A thread's share is cut into so many pieces, and other threads take those
// that it has not begun. More pieces would only be smaller: a core that is
// taken away comes back after some milliseconds, longer than most operations.
inline constexpr std::int64_t kPiecesOfThread = 4;

// How [0, count) may be cut: at multiples of `unit`. An item stands for this
// many elements of work.
struct Split {
  std::int64_t unit = 1;
  std::int64_t elements_per_item = 1;
};

// Elements of a flat array: cuts fall between cache lines.
inline constexpr Split kFlat = {.unit = 16};

// How many pieces the work is cut into for a team: equally many for each of its
// members, and none too small to be worth waking a thread.
inline std::int64_t pieces_of_work(std::int64_t elements, int members) {
  const std::int64_t of_thread = elements / kParallelElements / members;
  return members * std::clamp<std::int64_t>(of_thread, 1, kPiecesOfThread);
}

// Calls body(first, last) on ranges that divide [0, count), on many threads.
// The body must not throw.
template <typename Body>
void parallel_ranges(Stream& stream,
                     std::int64_t count,
                     Split split,
                     const Body& body) {
  const std::int64_t elements = count * split.elements_per_item;
  if (elements < kParallelElements) {
    return body(std::int64_t{0}, count);
  }
  const std::int64_t units = (count + split.unit - 1) / split.unit;
  const std::int64_t pieces =
      std::min(units, pieces_of_work(elements, stream.team().members()));
  stream.team().run(pieces, [&](std::int64_t piece, int) {
    const Range mine = part_of({0, units}, piece, pieces);
    body(mine.first * split.unit, std::min(count, mine.last * split.unit));
  });
}

// Walks over a matrix twice: once with threads dividing its columns, for sums
// over rows, and once dividing its rows. It goes block by block of rows, so
// that the second walk finds the block in the cache. Calls columns(block, part)
// and then rows(part), with ranges of rows, columns, and rows. If sums have 16
// bits, one block has all rows, so their sum is rounded once.
template <typename Columns, typename Rows>
void parallel_columns_then_rows(Stream& stream,
                                std::int64_t N,
                                std::int64_t C,
                                DType sums,
                                const Columns& columns,
                                const Rows& rows) {
  // Two arrays of this size fill the L2 cache of one core of a server.
  constexpr std::int64_t kBlockElements = 1 << 17;
  const std::int64_t block_rows =
      is_half(sums) ? N
                    : std::max<std::int64_t>(
                          1, kBlockElements / std::max<std::int64_t>(1, C));
  for (std::int64_t n = 0; n < N; n += block_rows) {
    const Range block = {n, std::min(N, n + block_rows)};
    parallel_ranges(stream,
                    C,
                    {.unit = kFlat.unit, .elements_per_item = block.count()},
                    [&](std::int64_t first, std::int64_t last) {
                      columns(block, Range{first, last});
                    });
    parallel_ranges(stream,
                    block.count(),
                    {.elements_per_item = C},
                    [&](std::int64_t first, std::int64_t last) {
                      rows(Range{n + first, n + last});
                    });
  }
}

}  // namespace dure::kernels
