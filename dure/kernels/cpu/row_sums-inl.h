// Sums over rows, for many columns at once, in f32 whatever the type in memory.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_ROW_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_ROW_SUMS_INL_H_
#undef DURE_KERNELS_CPU_ROW_SUMS_INL_H_
#else
#define DURE_KERNELS_CPU_ROW_SUMS_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <algorithm>
#include <cstdint>

#include "dure/kernels/cpu/f32_tile-inl.h"
#include "dure/kernels/cpu/range.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The columns of a tile: two arrays of them take a quarter of a first-level
// cache, and the rows pass through it.
inline constexpr std::int64_t kTileColumns = 1024;

// The sums of a tile while rows are added to them. They begin with the values
// in memory, and store() writes them back, rounded. `sums` covers all columns;
// if it is absent, none are wanted, and data() is null.
class TileSums {
 public:
  HWY_INLINE TileSums(const Tensor& sums, Range tile)
      : sums_(sums), tile_(tile) {
    if (sums_) {
      load_tile(sums_, tile_, buffer_);
      data_ = place_of_tile(sums_, tile_, buffer_);
    }
  }

  HWY_INLINE float* data() const { return data_; }
  HWY_INLINE void store() const {
    if (sums_) {
      store_tile(sums_, tile_, data_);
    }
  }

 private:
  HWY_ALIGN float buffer_[kTileColumns];
  Tensor sums_;
  Range tile_;
  float* data_ = nullptr;
};

template <typename Body>
HWY_INLINE void for_each_tile(Range columns, const Body& body) {
  for (std::int64_t c = columns.first; c < columns.last; c += kTileColumns) {
    body(Range{c, std::min(columns.last, c + kTileColumns)});
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
