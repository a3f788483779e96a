// One tile of a matrix product, its sums held in registers.
//
// clang-format off
//   y[m,n] = [start[m,n] +]
//            sum_k a[k * kTileRows + m] * b[k * kTileColumns + n]
//            [+ bias[n]] [+ addend[m,n]]
// clang-format on
//
// A sum over k in two calls, the second of which starts with the first's
// result, has the bits of one call.
//
// Included once for each target.
#if defined(DURE_KERNELS_CPU_GEMM_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_GEMM_TILE_INL_H_
#undef DURE_KERNELS_CPU_GEMM_TILE_INL_H_
#else
#define DURE_KERNELS_CPU_GEMM_TILE_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <array>
#include <cstdint>
#include <hwy/cache_control.h>
#include <hwy/highway.h>
#include <utility>

#include "dure/kernels/cpu/gemm_plan.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using TileTag = hn::CappedTag<float, 16>;
using TileVector = hn::Vec<TileTag>;
inline constexpr std::int64_t kTileLanes = hn::MaxLanes(TileTag());

// With 3 vectors of b and one element of a, the sums fill the register file: 24
// + 3 + 1 of 32, or 12 + 3 + 1 of 16.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
inline constexpr int kTileRows = 8;
#else
inline constexpr int kTileRows = 4;
#endif
inline constexpr int kTileVectors = 3;
inline constexpr int kTileColumns = kTileVectors * hn::MaxLanes(TileTag());

struct Tile {
  float* y = nullptr;
  std::int64_t y_step = 0;
  const float* addend = nullptr;  // optional; may be y
  std::int64_t addend_step = 0;
  const float* bias = nullptr;   // optional
  const float* start = nullptr;  // optional; rows of kTileColumns
  const float* a = nullptr;
  const float* b = nullptr;
  std::int64_t depth = 0;
};

// Stores sum + bias + addend into row r of y.
HWY_INLINE void store_sum(const Tile& tile,
                          std::int64_t r,
                          std::int64_t column,
                          TileVector sum) {
  const TileTag d;
  if (tile.bias != nullptr) {
    sum = hn::Add(sum, hn::LoadU(d, tile.bias + column));
  }
  if (tile.addend != nullptr) {
    const float* const addend = tile.addend + r * tile.addend_step + column;
    sum = hn::Add(sum, hn::LoadU(d, addend));
  }
  hn::StoreU(sum, d, tile.y + r * tile.y_step + column);
}

// Prefetches the addend, which is used at the end.
template <int kRows>
HWY_INLINE void prefetch_addend(const Tile& tile) {
  if (tile.addend == nullptr) {
    return;
  }
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t v = 0; v < kTileVectors; ++v) {
      hwy::Prefetch(tile.addend + r * tile.addend_step + v * kTileLanes);
    }
  }
}

template <int kRows>
HWY_NOINLINE void multiply_rows(const Tile& tile) {
  // In steps of k. It hides the latency of the second-level cache (bench/).
  constexpr std::int64_t kPrefetchDepth = 8;
  const TileTag d;
  TileVector sum[kRows][kTileVectors];
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(4)
    for (int v = 0; v < kTileVectors; ++v) {
      constexpr std::int64_t kRow = kTileColumns;
      sum[r][v] = tile.start == nullptr
                      ? hn::Zero(d)
                      : hn::LoadU(d, tile.start + r * kRow + v * kTileLanes);
    }
  }
  prefetch_addend<kRows>(tile);
  const float* a = tile.a;
  const float* b = tile.b;
  for (std::int64_t k = 0; k < tile.depth; ++k) {
    TileVector right[kTileVectors];
    HWY_UNROLL(4)
    for (int v = 0; v < kTileVectors; ++v) {
      right[v] = hn::Load(d, b + v * kTileLanes);
      hwy::Prefetch(b + kPrefetchDepth * kTileColumns + v * kTileLanes);
    }
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      const TileVector left = hn::Set(d, a[r]);
      HWY_UNROLL(4)
      for (int v = 0; v < kTileVectors; ++v) {
        sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
      }
    }
    a += kTileRows;
    b += kTileColumns;
  }
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(4)
    for (int v = 0; v < kTileVectors; ++v) {
      store_sum(tile, r, v * kTileLanes, sum[r][v]);
    }
  }
}

template <int... kRows>
constexpr std::array<void (*)(const Tile&), sizeof...(kRows)> rows_table(
    std::integer_sequence<int, kRows...>) {
  return {&multiply_rows<kRows + 1>...};
}

HWY_INLINE void multiply_whole(const Tile& tile, std::int64_t rows) {
  static constexpr auto kTable =
      rows_table(std::make_integer_sequence<int, kTileRows>());
  kTable[static_cast<std::size_t>(rows - 1)](tile);
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
