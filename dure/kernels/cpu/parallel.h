// Work split over a rank's threads.
//
// Nothing here may make a result depend on how many there are, nor on which of
// them does what: a range is one of independent elements, rows or columns.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dure/kernels/cpu/range.h"
#include "dure/tensor/stream.h"

namespace dure::kernels {

// Below this many elements one thread is done before others are awake: they
// take some 5 us, in which a core moves about 16 thousand.
inline constexpr std::int64_t kParallelElements = 1 << 15;

// A thread's share is cut into so many pieces, of which others take what it has
// not come to. More of them would only be smaller: a core that is taken away
// comes back after some milliseconds, longer than most operations.
inline constexpr std::int64_t kPiecesOfThread = 4;

// How [0, count) may be cut: at multiples of `unit`, and an item of it stands
// for this many elements of work.
struct Split {
  std::int64_t unit = 1;
  std::int64_t elements_per_item = 1;
};

// Elements of a flat array: cuts fall between cache lines.
inline constexpr Split kFlat = {.unit = 16};

// Into how many pieces so much work is cut for a team: as many for each of its
// members, none of which is too small to be worth a thread's coming.
inline std::int64_t pieces_of_work(std::int64_t elements, int members) {
  const std::int64_t of_thread = elements / kParallelElements / members;
  return members * std::clamp<std::int64_t>(of_thread, 1, kPiecesOfThread);
}

// Calls body(first, last) on ranges that part [0, count), by many threads. The
// body must not throw.
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

// A matrix walked twice, once with threads sharing its columns, for sums over
// rows, and once sharing its rows: block after block of rows, so that the
// second walk finds the block in the cache. Calls columns(block, part) and then
// rows(part), of ranges of rows, columns, and rows. Where sums have 16 bits,
// one block is all rows: their sum is rounded once.
template <typename Columns, typename Rows>
void parallel_columns_then_rows(Stream& stream,
                                std::int64_t N,
                                std::int64_t C,
                                DType sums,
                                const Columns& columns,
                                const Rows& rows) {
  // Two arrays of it are the L2 cache of one core of a server.
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
