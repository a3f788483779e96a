// How a matrix product is cut: blocks that fit the caches, and each thread's
// share of a block.
//
//   for each block of rows of y
//     for each block of K                          (`phases`)
//       all threads pack their panels of op(a)     shared, then a barrier
//       each thread, over its own columns of y:
//         packs a block of op(b) that fits its L2
//         multiplies each panel of op(a) with each panel of op(b)
//
// An element of y is the sum, in order, of one partial sum a block of K, each
// of fused multiply-adds in order of k. The blocks depend on K alone: so its
// bits depend on its row of op(a) and column of op(b), not on the threads, nor
// on M and N (as they do in a library that picks its algorithm by shape).
//
// The loops are those of Goto and van de Geijn 2008, "Anatomy of
// High-Performance Matrix Multiplication", with the roles of a and b swapped.
#pragma once

#include <cstdint>

namespace dure::kernels {

// Half-open.
struct Range {
  std::int64_t first = 0;
  std::int64_t last = 0;

  std::int64_t count() const { return last - first; }
  bool operator==(const Range&) const = default;
};

struct GemmShape {
  std::int64_t M = 0;
  std::int64_t N = 0;
  std::int64_t K = 0;
};

// A panel of op(a) is so many rows, one of op(b) so many columns: the tile that
// fits the registers.
struct GemmTile {
  std::int64_t rows = 1;
  std::int64_t columns = 1;
};

struct GemmPlan {
  // A block of K is at most this long. Longer ones write y less often;
  // a panel of op(a) must leave the L1 cache room for that of op(b).
  static constexpr std::int64_t kMostDepth = 768;
  // Rows of op(a) packed at once: so often is a packed element of op(b) used.
  static constexpr std::int64_t kMostRows = 1024;
  // A packed block of op(b): 9/16 of the 1 MiB of L2 that servers have.
  static constexpr std::int64_t kBlockBytes = 576LL * 1024;

  GemmShape shape;
  GemmTile tile;
  std::int64_t depth_blocks = 1;   // of K
  std::int64_t row_blocks = 1;     // of M
  std::int64_t row_panels = 1;     // of all of M
  std::int64_t column_panels = 1;  // of all of N
  std::int64_t block_panels = 1;   // of N, in a packed block of op(b)
  int row_threads = 1;             // threads = row_threads * column_threads
  int column_threads = 1;

  int threads() const { return row_threads * column_threads; }
  std::int64_t phases() const { return row_blocks * depth_blocks; }

  // What a phase multiplies: row panels of op(a), and a range of K.
  Range panels_of(std::int64_t phase) const;
  Range depth_of(std::int64_t phase) const;

  // A thread's share of the panels of a phase, to pack and to multiply.
  Range packed_by(int thread, Range panels) const;
  Range rows_of(int thread, Range panels) const;
  Range columns_of(int thread) const;  // column panels

  // Elements of workspace: op(a) of a phase (there are two, by turns: threads
  // may be one phase apart), and op(b) of a block (one a thread).
  std::int64_t a_elements() const;
  std::int64_t b_elements() const;
  std::int64_t workspace_elements() const {
    return 2 * a_elements() + threads() * b_elements();
  }
};

// M, N, K >= 1.
GemmPlan plan_gemm(const GemmShape& shape, const GemmTile& tile, int threads);

}  // namespace dure::kernels
