// Exact sums in device code: digits in shared memory, to which threads add in
// any order, because the digits are whole numbers (base/exact_sum.h).
#pragma once

#include <cstdint>

#include "dure/base/exact_sum.h"
#include "dure/kernels/cuda/launch.cuh"

namespace dure::kernels {

// atomicAdd knows only unsigned numbers of 64 bits. Sums are the same.
using AtomicDigit = unsigned long long;

struct SharedDigits {
  AtomicDigit of[ExactSum::kDigits];
};

// All threads of a block call these, before and after they add.
__device__ inline void clear(SharedDigits& digits) {
  for (unsigned i = threadIdx.x; i < ExactSum::kDigits; i += blockDim.x) {
    digits.of[i] = 0;
  }
  __syncthreads();
}

// Adds a term; a block adds at most 2^30 of them.
__device__ inline void add_to(SharedDigits& digits, double value) {
  ExactSum::for_each_digit(value, [&](std::size_t i, std::int64_t part) {
    atomicAdd(&digits.of[i], static_cast<AtomicDigit>(part));
  });
}

// Adds the block's digits to those of the whole sum.
__device__ inline void flush(const SharedDigits& digits, std::int64_t* sum) {
  __syncthreads();
  auto* const to = reinterpret_cast<AtomicDigit*>(sum);
  for (unsigned i = threadIdx.x; i < ExactSum::kDigits; i += blockDim.x) {
    if (digits.of[i] != 0) {
      atomicAdd(&to[i], digits.of[i]);
    }
  }
}

// Makes the carries of `sums` sums, one a thread.
__global__ inline void carry_kernel(std::int64_t* digits, std::int64_t sums) {
  const std::int64_t s = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (s < sums) {
    std::int64_t* const at =
        digits + s * static_cast<std::int64_t>(ExactSum::kDigits);
    ExactSum sum(std::span<const std::int64_t, ExactSum::kDigits>(
        at, ExactSum::kDigits));
    const auto carried = sum.digits();
    for (std::size_t i = 0; i < ExactSum::kDigits; ++i) {
      at[i] = carried[i];
    }
  }
}

}  // namespace dure::kernels
