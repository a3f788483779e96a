// Sums over rows, a column at a time: y[c] = sum_n of something in row n.
//
// A block has kColumns neighbouring columns, which are one sector of memory,
// and kLanesOfColumn threads for each. A thread adds up every
// kLanesOfColumn-th row, and a tree adds up the threads: the order depends on
// nothing but the number of rows.
#pragma once

#include "dure/kernels/cuda/flat.cuh"
#include "dure/kernels/op.h"

namespace dure::kernels {

inline constexpr unsigned kColumns = 8;
inline constexpr unsigned kLanesOfColumn = 64;

template <int kSums>
struct ColumnSums {
  float of[kSums];
};

template <int kSums>
struct SharedColumns {
  ColumnSums<kSums> sums[kLanesOfColumn][kColumns];
};

inline LaunchShape column_shape(std::int64_t C, std::size_t shared_bytes) {
  return {.grid = static_cast<unsigned>((C + kColumns - 1) / kColumns),
          .block = dim3(kColumns, kLanesOfColumn),
          .shared_bytes = shared_bytes};
}

// Calls add(n, c, sums) for the rows of the thread, and store(c, sums) with the
// sums of a whole column, in one of its threads.
template <int kSums, typename Add, typename Store>
__device__ void sum_columns(std::int64_t N,
                            std::int64_t C,
                            const Add& add,
                            const Store& store) {
  auto& shared = shared_memory<SharedColumns<kSums>>();
  const std::int64_t c = std::int64_t{blockIdx.x} * kColumns + threadIdx.x;
  ColumnSums<kSums> sums = {};
  for (std::int64_t n = threadIdx.y; c < C && n < N; n += kLanesOfColumn) {
    add(n, c, sums);
  }
  shared.sums[threadIdx.y][threadIdx.x] = sums;
  for (unsigned half = kLanesOfColumn / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y < half) {
      ColumnSums<kSums>& own = shared.sums[threadIdx.y][threadIdx.x];
      const ColumnSums<kSums>& other =
          shared.sums[threadIdx.y + half][threadIdx.x];
      for (int s = 0; s < kSums; ++s) {
        own.of[s] += other.of[s];
      }
    }
  }
  if (threadIdx.y == 0 && c < C) {
    store(c, shared.sums[0][threadIdx.x]);
  }
}

// Writes a sum, or adds it to what is there.
template <typename Element>
__device__ void store_sum(Element* y, float sum, Write write) {
  const float before = write == Write::kAdd ? widened(*y) : 0.0F;
  *y = rounded<Element>(before + sum);
}

}  // namespace dure::kernels
