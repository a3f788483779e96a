// Operations on rows: a block has a row, and sums over it are made in an order
// that depends on the row's length alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dure/kernels/cuda/flat.cuh"

namespace dure::kernels {

inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;

// The sum over the lanes of a warp, in all of them.
template <typename Number>
__device__ Number warp_sum(Number value) {
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, static_cast<int>(step));
  }
  return value;
}

template <typename Number>
__device__ Number warp_max(Number value) {
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    const Number other =
        __shfl_xor_sync(kAllLanes, value, static_cast<int>(step));
    value = other > value ? other : value;
  }
  return value;
}

// A number of each warp of a block.
template <typename Number>
struct WarpNumbers {
  Number of[kWarp];
};

// A reduction over a block, in all its threads. `across` makes that over a
// warp; `neutral` changes nothing. Successive calls may share `shared`.
template <typename Number, typename Across>
__device__ Number block_reduce(Number value,
                               Number neutral,
                               WarpNumbers<Number>& shared,
                               const Across& across) {
  value = across(value);
  __syncthreads();  // the last call's readers are done
  if (threadIdx.x % kWarp == 0) {
    shared.of[threadIdx.x / kWarp] = value;
  }
  __syncthreads();
  const unsigned lane = threadIdx.x % kWarp;
  return across(lane < blockDim.x / kWarp ? shared.of[lane] : neutral);
}

template <typename Number>
__device__ Number block_sum(Number value, WarpNumbers<Number>& shared) {
  return block_reduce(
      value, Number(0), shared, [](Number v) { return warp_sum(v); });
}

template <typename Number>
__device__ Number block_max(Number value,
                            Number least,
                            WarpNumbers<Number>& shared) {
  return block_reduce(
      value, least, shared, [](Number v) { return warp_max(v); });
}

// Calls body(c) for the columns of the thread.
template <typename Body>
__device__ void for_my_columns(std::int64_t C, const Body& body) {
  for (std::int64_t c = threadIdx.x; c < C; c += blockDim.x) {
    body(c);
  }
}

// A block for each of N rows of C columns.
template <typename Shared>
LaunchShape row_shape(std::int64_t N, std::int64_t C) {
  const std::int64_t threads = (C + kWarp - 1) / kWarp * kWarp;
  return {.grid = static_cast<unsigned>(N),
          .block = static_cast<unsigned>(
              std::clamp<std::int64_t>(threads, kWarp, 512)),
          .shared_bytes = sizeof(Shared)};
}

}  // namespace dure::kernels
