// The language of CUDA kernels for a host compiler, which includes this before
// a .cu file. NVIDIA's own headers give types and prototypes.
//
// Shared memory is dynamic: `__shared__` is not there, because what a block
// leaves in a static variable would be found by the next one, where a device
// leaves it undefined.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "tools/cuda_emulator/block.h"
#include "tools/cuda_emulator/launch.h"

// NOLINTBEGIN(readability-identifier-naming,bugprone-reserved-identifier): the
// names are CUDA's
#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __forceinline__
#undef __launch_bounds__
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define threadIdx (::cuda_emulator::place().thread)
#define blockIdx (::cuda_emulator::place().block)
#define blockDim (::cuda_emulator::place().threads)
#define gridDim (::cuda_emulator::place().blocks)

namespace cuda_emulator {

template <typename T>
std::uint64_t bits_of(T value) {
  static_assert(sizeof value <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <typename T>
T value_in(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline unsigned own_lane() {
  return place().rank % kWarpSize;
}

// The lane's value at `source`; its own beyond the warp or the group of
// `width` lanes.
template <typename T>
T shuffle(const char* name, unsigned mask, T value, unsigned source) {
  const Combine read = [](const LaneValue* lanes, unsigned, std::uint64_t at) {
    return lanes[at].bits;
  };
  return value_in<T>(warp_barrier({.name = name,
                                   .mask = mask,
                                   .bits = bits_of(value),
                                   .combine = read,
                                   .argument = source,
                                   .reads = source}));
}

inline std::uint64_t vote(const char* name,
                          unsigned mask,
                          std::uint64_t bits,
                          Combine combine) {
  return warp_barrier(
      {.name = name, .mask = mask, .bits = bits, .combine = combine});
}

// A reduction over the lanes that take part.
template <typename T, typename Operation>
T reduce(const char* name, unsigned mask, T value) {
  const Combine all = [](const LaneValue* lanes, unsigned own, std::uint64_t) {
    T result = value_in<T>(lanes[own].bits);
    for (unsigned lane = 0; lane < kWarpSize; ++lane) {
      if (lane != own && lanes[lane].is_there) {
        result = Operation()(result, value_in<T>(lanes[lane].bits));
      }
    }
    return bits_of(result);
  };
  return value_in<T>(vote(name, mask, bits_of(value), all));
}

struct Least {
  template <typename T>
  T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};
struct Most {
  template <typename T>
  T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

// The group of `width` lanes of this one: its first lane.
inline unsigned first_of_group(int width) {
  return own_lane() & ~(static_cast<unsigned>(width) - 1U);
}
inline unsigned within_group(unsigned lane, int width) {
  return lane < first_of_group(width) + static_cast<unsigned>(width) &&
                 lane >= first_of_group(width)
             ? lane
             : own_lane();
}

}  // namespace cuda_emulator

inline void __syncthreads() {
  cuda_emulator::block_barrier();
}
inline void __syncwarp(unsigned mask = ~0U) {
  cuda_emulator::vote(
      "__syncwarp",
      mask,
      0,
      [](const cuda_emulator::LaneValue*, unsigned, std::uint64_t) {
        return std::uint64_t{0};
      });
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
  const unsigned group = static_cast<unsigned>(width) - 1U;
  return cuda_emulator::shuffle("__shfl_sync",
                                mask,
                                value,
                                cuda_emulator::first_of_group(width) |
                                    (static_cast<unsigned>(lane) & group));
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int flip, int width = 32) {
  return cuda_emulator::shuffle(
      "__shfl_xor_sync",
      mask,
      value,
      cuda_emulator::within_group(
          cuda_emulator::own_lane() ^ static_cast<unsigned>(flip), width));
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return cuda_emulator::shuffle(
      "__shfl_down_sync",
      mask,
      value,
      cuda_emulator::within_group(cuda_emulator::own_lane() + delta, width));
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return cuda_emulator::shuffle(
      "__shfl_up_sync",
      mask,
      value,
      cuda_emulator::within_group(cuda_emulator::own_lane() - delta, width));
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  using cuda_emulator::LaneValue;
  return static_cast<unsigned>(cuda_emulator::vote(
      "__ballot_sync",
      mask,
      predicate != 0 ? 1 : 0,
      [](const LaneValue* lanes, unsigned, std::uint64_t) {
        std::uint64_t all = 0;
        for (unsigned lane = 0; lane < cuda_emulator::kWarpSize; ++lane) {
          all |= lanes[lane].is_there ? lanes[lane].bits << lane : 0;
        }
        return all;
      }));
}
inline int __any_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) != 0 ? 1 : 0;
}
inline int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate == 0 ? 1 : 0) == 0 ? 1 : 0;
}
template <typename T>
unsigned __match_any_sync(unsigned mask, T value) {
  using cuda_emulator::LaneValue;
  return static_cast<unsigned>(cuda_emulator::vote(
      "__match_any_sync",
      mask,
      cuda_emulator::bits_of(value),
      [](const LaneValue* lanes, unsigned own, std::uint64_t) {
        std::uint64_t equal = 0;
        for (unsigned lane = 0; lane < cuda_emulator::kWarpSize; ++lane) {
          const bool is_equal =
              lanes[lane].is_there && lanes[lane].bits == lanes[own].bits;
          equal |= std::uint64_t{is_equal ? 1U : 0U} << lane;
        }
        return equal;
      }));
}
template <typename T>
T __reduce_add_sync(unsigned mask, T value) {
  return cuda_emulator::reduce<T, std::plus<T>>(
      "__reduce_add_sync", mask, value);
}
template <typename T>
T __reduce_min_sync(unsigned mask, T value) {
  return cuda_emulator::reduce<T, cuda_emulator::Least>(
      "__reduce_min_sync", mask, value);
}
template <typename T>
T __reduce_max_sync(unsigned mask, T value) {
  return cuda_emulator::reduce<T, cuda_emulator::Most>(
      "__reduce_max_sync", mask, value);
}

namespace cuda_emulator {

// Replaces the value by change(value), and returns the old one.
template <typename T, typename Change>
T atomically(T* at, const Change& change) {
  T old;
  __atomic_load(at, &old, __ATOMIC_RELAXED);
  for (T next = change(old); !__atomic_compare_exchange(
           at, &old, &next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
       next = change(old)) {
  }
  return old;
}

}  // namespace cuda_emulator

template <typename T>
T atomicAdd(T* at, T value) {
  return cuda_emulator::atomically(at, [=](T old) { return old + value; });
}
template <typename T>
T atomicMin(T* at, T value) {
  return cuda_emulator::atomically(
      at, [=](T old) { return value < old ? value : old; });
}
template <typename T>
T atomicMax(T* at, T value) {
  return cuda_emulator::atomically(
      at, [=](T old) { return old < value ? value : old; });
}
template <typename T>
T atomicExch(T* at, T value) {
  return cuda_emulator::atomically(at, [=](T) { return value; });
}
template <typename T>
T atomicCAS(T* at, T expected, T value) {
  return cuda_emulator::atomically(
      at, [=](T old) { return old == expected ? value : old; });
}
template <typename T>
T atomicOr(T* at, T value) {
  return cuda_emulator::atomically(at, [=](T old) { return old | value; });
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <typename T>
T __ldg(const T* at) {
  return *at;
}
template <typename T>
T __ldcs(const T* at) {
  return *at;
}
template <typename T>
void __stcs(T* at, T value) {
  *at = value;
}
inline float __fmaf_rn(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline float __fadd_rn(float a, float b) {
  return a + b;
}
inline float __fmul_rn(float a, float b) {
  return a * b;
}
inline float __frcp_rn(float a) {
  return 1.0F / a;
}
inline float __fsqrt_rn(float a) {
  return std::sqrt(a);
}
inline float __fdividef(float a, float b) {
  return a / b;
}
inline float __expf(float a) {
  return std::exp(a);
}
inline float rsqrtf(float a) {
  return 1.0F / std::sqrt(a);
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(std::uint64_t{a} * b >> 32);
}
inline int __popc(unsigned a) {
  return std::popcount(a);
}
inline int __ffs(int a) {
  return a == 0 ? 0 : std::countr_zero(static_cast<unsigned>(a)) + 1;
}
inline int __clz(int a) {
  return std::countl_zero(static_cast<unsigned>(a));
}
inline unsigned __float_as_uint(float a) {
  return std::bit_cast<unsigned>(a);
}
inline float __uint_as_float(unsigned a) {
  return std::bit_cast<float>(a);
}
inline int __float_as_int(float a) {
  return std::bit_cast<int>(a);
}
inline float __int_as_float(int a) {
  return std::bit_cast<float>(a);
}
// NOLINTEND(readability-identifier-naming,bugprone-reserved-identifier)
