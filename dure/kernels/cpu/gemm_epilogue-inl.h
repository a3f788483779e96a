// The tiles of a matrix product, and what becomes of their sums:
//
//   y[m,n] = sum[m,n] [+ bias[n]] [+ addend[m,n]]
//
// If all of these are f32, whole tiles go from the registers to y. Otherwise,
// and at the right edge, the sums pass through a small array, where bias and
// addend are added and from which y is rounded. Both give the same bits, but
// for that rounding.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_GEMM_EPILOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_GEMM_EPILOGUE_INL_H_
#undef DURE_KERNELS_CPU_GEMM_EPILOGUE_INL_H_
#else
#define DURE_KERNELS_CPU_GEMM_EPILOGUE_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dure/kernels/cpu/gemm_tile-inl.h"
#include "dure/kernels/cpu/vector_loop-inl.h"
#include "dure/tensor/element_type.h"
#include "dure/tensor/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

struct Epilogue {
  Tensor y;                 // (M, N)
  ConstTensor addend = {};  // (M, N), optional; may be y
  ConstTensor bias = {};    // (N), optional
};

HWY_INLINE bool is_all_f32(const Epilogue& epilogue) {
  return epilogue.y.dtype() == DType::kF32 &&
         epilogue.addend.dtype() == DType::kF32 &&
         epilogue.bias.dtype() == DType::kF32;
}

// The part of y that a tile covers.
struct TilePlace {
  std::int64_t row = 0;
  std::int64_t column = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

HWY_INLINE TilePlace tile_at(const Epilogue& epilogue,
                             std::int64_t row,
                             std::int64_t column) {
  const Shape& y = epilogue.y.shape();
  return {row,
          column,
          std::min<std::int64_t>(kTileRows, y[0] - row),
          std::min<std::int64_t>(kTileColumns, y[1] - column)};
}

// Adds an array, whose rows are `step` apart, to sums, whose rows are
// kTileColumns apart. A bias is a row for all: its step is 0.
template <typename Element>
HWY_NOINLINE void add_to_sums(const Element* from,
                              std::int64_t step,
                              const TilePlace& tile,
                              float* sums) {
  for (std::int64_t r = 0; r < tile.rows; ++r, from += step) {
    float* const sum = sums + r * kTileColumns;
    for_each_vector(0, tile.columns, [&](std::int64_t n, auto part) HWY_ATTR {
      store_vector(hn::Add(load_vector(sum + n), part.load(from + n)), sum + n);
    });
  }
}

// Rounds the sums into an array, whose rows are `step` apart.
template <typename Element>
HWY_NOINLINE void round_sums(const float* sums,
                             const TilePlace& tile,
                             Element* to,
                             std::int64_t step) {
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    convert(sums + r * kTileColumns, tile.columns, to + r * step);
  }
}

inline void finish_sums(const Epilogue& epilogue,
                        const TilePlace& tile,
                        float* sums) {
  const std::int64_t N = epilogue.y.shape()[1];
  const std::int64_t at = tile.row * N + tile.column;
  if (epilogue.bias) {
    with_float_type(epilogue.bias.dtype(), [&](auto element) HWY_ATTR {
      const auto* const bias = epilogue.bias.data<decltype(element)>();
      add_to_sums(bias + tile.column, 0, tile, sums);
    });
  }
  if (epilogue.addend) {
    with_float_type(epilogue.addend.dtype(), [&](auto element) HWY_ATTR {
      const auto* const addend = epilogue.addend.data<decltype(element)>();
      add_to_sums(addend + at, N, tile, sums);
    });
  }
  with_float_type(epilogue.y.dtype(), [&](auto element) HWY_ATTR {
    round_sums(sums, tile, epilogue.y.data<decltype(element)>() + at, N);
  });
}

// Prefetches the addend, which is used at the end.
HWY_INLINE void prefetch_rows(const ConstTensor& x, const TilePlace& tile) {
  constexpr std::int64_t kLineBytes = 64;
  const auto size = static_cast<std::int64_t>(size_of(x.dtype()));
  const std::int64_t N = x.shape()[1];
  const auto* const at = static_cast<const std::byte*>(x.bytes()) +
                         (tile.row * N + tile.column) * size;
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    for (std::int64_t i = 0; i < tile.columns * size; i += kLineBytes) {
      hwy::Prefetch(at + r * N * size + i);
    }
  }
}

inline HWY_NOINLINE void multiply_through_sums(const Epilogue& epilogue,
                                               const TilePlace& place,
                                               Tile tile) {
  HWY_ALIGN float sums[kTileRows * kTileColumns];
  if (epilogue.addend) {
    prefetch_rows(epilogue.addend, place);
  }
  tile.y = sums;
  tile.y_step = kTileColumns;
  multiply_whole(tile, place.rows);
  finish_sums(epilogue, place, sums);
}

// Takes a tile of which y, addend and bias are not set.
HWY_INLINE void multiply_tile(const Epilogue& epilogue,
                              const TilePlace& place,
                              Tile tile) {
  if (place.columns < kTileColumns || !is_all_f32(epilogue)) {
    return multiply_through_sums(epilogue, place, tile);
  }
  const auto& [y, addend, bias] = epilogue;
  const std::int64_t N = y.shape()[1];
  const std::int64_t at = place.row * N + place.column;
  tile.y = y.data<float>() + at;
  tile.y_step = N;
  tile.addend = addend ? addend.data<float>() + at : nullptr;
  tile.addend_step = N;
  tile.bias = bias ? bias.data<float>() + place.column : nullptr;
  multiply_whole(tile, place.rows);
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
