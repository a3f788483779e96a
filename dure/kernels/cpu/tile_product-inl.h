// Products of small matrices in the cache: C (+)= A B, with tiles of C held in
// registers.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_TILE_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_TILE_PRODUCT_INL_H_
#undef DURE_KERNELS_CPU_TILE_PRODUCT_INL_H_
#else
#define DURE_KERNELS_CPU_TILE_PRODUCT_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "dure/kernels/cpu/vector_math-inl.h"
#include "dure/kernels/op.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// A tile of C is kTileRows rows of kTileVectors vectors. With the vectors of B
// and one element of A it fills the register file: 24 + 4 + 1 of 32, or 12 + 2
// + 1 of 16.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
inline constexpr int kTileRows = 6;
inline constexpr int kTileVectors = 4;
#else
inline constexpr int kTileRows = 6;
inline constexpr int kTileVectors = 2;
#endif

// Element (m, k) is data[m * row_step + k * depth_step].
struct LeftFactor {
  const float* data;
  std::int64_t row_step;
  std::int64_t depth_step;
};

// Rows of B and C are `*_step` apart and `vectors` wide.
struct TileProduct {
  float* c;
  std::int64_t c_step;
  LeftFactor a;
  const float* b;
  std::int64_t b_step;
  std::int64_t rows;
  std::int64_t vectors;
  std::int64_t depth;
  Write write;
};

template <int kRows, int kVectors>
HWY_NOINLINE void multiply_tile(const TileProduct& p) {
  const Floats d;
  Vector sum[kRows][kVectors];
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = p.write == Write::kOverwrite
                      ? hn::Zero(d)
                      : hn::LoadU(d, p.c + r * p.c_step + v * kLanes);
    }
  }
  const float* a = p.a.data;
  const float* b = p.b;
  const std::int64_t row_step = p.a.row_step;
  for (std::int64_t k = 0; k < p.depth; ++k) {
    Vector right[kVectors];
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) {
      right[v] = hn::LoadU(d, b + v * kLanes);
    }
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      const Vector left = hn::Set(d, a[r * row_step]);
      HWY_UNROLL(8)
      for (int v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
      }
    }
    a += p.a.depth_step;
    b += p.b_step;
  }
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[r][v], d, p.c + r * p.c_step + v * kLanes);
    }
  }
}

using MultiplyTile = void (*)(const TileProduct&);

// The functions multiply_tile for 1 .. kTileRows rows by 1 .. kTileVectors
// vectors.
template <int... kShapes>
constexpr std::array<MultiplyTile, sizeof...(kShapes)> tile_table(
    std::integer_sequence<int, kShapes...>) {
  return {&multiply_tile<kShapes / kTileVectors + 1,
                         kShapes % kTileVectors + 1>...};
}

inline void multiply(const TileProduct& product) {
  static constexpr auto kTable =
      tile_table(std::make_integer_sequence<int, kTileRows * kTileVectors>());
  TileProduct tile = product;
  for (std::int64_t v = 0; v < product.vectors; v += tile.vectors) {
    tile.vectors = std::min<std::int64_t>(kTileVectors, product.vectors - v);
    tile.b = product.b + v * kLanes;
    for (std::int64_t r = 0; r < product.rows; r += tile.rows) {
      tile.rows = std::min<std::int64_t>(kTileRows, product.rows - r);
      tile.a.data = product.a.data + r * product.a.row_step;
      tile.c = product.c + r * product.c_step + v * kLanes;
      kTable[static_cast<std::size_t>((tile.rows - 1) * kTileVectors +
                                      tile.vectors - 1)](tile);
    }
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
