// Operations on flat arrays: a thread has one pack of elements.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "dure/kernels/cuda/elements.cuh"
#include "dure/kernels/cuda/launch.cuh"

namespace dure::kernels {

inline constexpr unsigned kFlatThreads = 256;

template <int kCount>
using Count = std::integral_constant<int, kCount>;

// The shape of a launch with a thread for each pack of `count` of n elements.
inline LaunchShape flat_shape(std::int64_t n, int count = 1) {
  const std::int64_t packs = std::max<std::int64_t>((n + count - 1) / count, 1);
  return {
      .grid = static_cast<unsigned>((packs + kFlatThreads - 1) / kFlatThreads),
      .block = kFlatThreads};
}

__device__ inline std::int64_t flat_index() {
  return std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}

// Calls body(i, Count<kCount>()) for the thread's pack from element i on, or
// for each element of it with Count<1> where the array ends within.
template <int kCount, typename Body>
__device__ void for_my_pack(std::int64_t n, const Body& body) {
  const std::int64_t first = flat_index() * kCount;
  if (first + kCount <= n) {
    body(first, Count<kCount>());
  } else {
    for (std::int64_t i = first; i < n; ++i) {
      body(i, Count<1>());
    }
  }
}

// The elements that fill 16 bytes of the widest of these types.
template <typename... Elements>
inline constexpr int kPackOf =
    16 / static_cast<int>(std::max({sizeof(Elements)...}));

// Whether every address is a multiple of 16 bytes.
template <typename... Elements>
bool are_aligned(const Elements*... addresses) {
  return ((reinterpret_cast<std::uintptr_t>(addresses) % 16 == 0) && ...);
}

// Calls launch(Count<n>()) with the most elements that one access can take.
template <typename Launch, typename... Elements>
void with_pack(const Launch& launch, const Elements*... addresses) {
  if (are_aligned(addresses...)) {
    launch(Count<kPackOf<Elements...>>());
  } else {
    launch(Count<1>());
  }
}

}  // namespace dure::kernels
