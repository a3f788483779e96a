// How a matrix product is cut: blocks that fit the caches, and parts of a block
// for the threads.
//
//   for each block of rows of y
//     for each block of K                          (`phases`)
//       its panels of op(a) are packed, in parts   shared by all threads
//       when they are, for each part of y, of some rows and columns:
//         whoever takes it packs its block of op(b), which fits an L2,
//         and multiplies each panel of op(a) with each panel of op(b)
//
// An element of y is the sum, in order, of one partial sum for each block of K,
// and that is a sequence of fused multiply-adds in order of k. The blocks
// depend on K alone. So the element's bits depend on its row of op(a) and
// column of op(b), but not on the threads, nor on M and N (as in a library that
// picks its algorithm by shape).
//
// The loops are those of Goto and van de Geijn 2008, "Anatomy of
// High-Performance Matrix Multiplication", with the roles of a and b swapped.
#pragma once

#include <cstdint>

#include "dure/kernels/cpu/range.h"

namespace dure::kernels {

struct GemmShape {
  std::int64_t M = 0;
  std::int64_t N = 0;
  std::int64_t K = 0;
};

// A panel of op(a) has so many rows, one of op(b) so many columns: the tile
// that fits the registers.
struct GemmTile {
  std::int64_t rows = 1;
  std::int64_t columns = 1;
};

struct GemmPlan {
  // The most length of a block of K. Longer blocks write y less often, but a
  // panel of op(a) must leave room in the L1 cache for one of op(b).
  static constexpr std::int64_t kMostDepth = 768;
  // Rows of op(a) packed at once: a packed element of op(b) is used as often.
  static constexpr std::int64_t kMostRows = 1024;
  // A packed block of op(b): 9/16 of the 1 MiB of L2 that servers have.
  static constexpr std::int64_t kBlockBytes = 576LL * 1024;

  GemmShape shape;
  GemmTile tile;
  std::int64_t depth_blocks = 1;   // of K
  std::int64_t row_blocks = 1;     // of M
  std::int64_t row_panels = 1;     // of all of M
  std::int64_t column_panels = 1;  // of all of N
  // The parts of y in a phase: rows times columns, equally many for each
  // thread.
  std::int64_t row_parts = 1;
  std::int64_t column_parts = 1;
  int threads = 1;

  std::int64_t parts() const { return row_parts * column_parts; }
  std::int64_t phases() const { return row_blocks * depth_blocks; }

  // The operands of a phase: row panels of op(a), and a range of K.
  Range panels_of(std::int64_t phase) const;
  Range depth_of(std::int64_t phase) const;

  // The panels of a phase that a part packs, and those that it multiplies.
  Range packed_by(std::int64_t part, Range panels) const;
  Range rows_of(std::int64_t part, Range panels) const;
  Range columns_of(std::int64_t part) const;  // column panels

  // Elements of workspace: op(a) of a phase (two alternate: one is packed while
  // the other is used), and op(b) of a part (one for each thread).
  std::int64_t a_elements() const;
  std::int64_t b_elements() const;
  std::int64_t workspace_elements() const {
    return 2 * a_elements() + threads * b_elements();
  }

  // The rows of y of a phase, which a y of 16 bits needs in f32 as well if K
  // has several blocks: an element is rounded once, after the last.
  std::int64_t sum_elements() const;
};

// M, N, K >= 1.
GemmPlan plan_gemm(const GemmShape& shape, const GemmTile& tile, int threads);

}  // namespace dure::kernels
