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

#include "dure/kernels/cpu/range.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The columns of a tile: two arrays of them take a quarter of a first-level
// cache, and the rows pass through it.
inline constexpr std::int64_t kTileColumns = 1024;

// The sums of a tile while rows are added to them. They begin with the values
// in memory, and store() writes them back. `memory` covers all columns; if it
// is null, no sums are wanted, and data() is null.
template <typename Element>
class TileSums {
 public:
  HWY_INLINE TileSums(Element* memory, Range tile)
      : memory_(memory == nullptr ? nullptr : memory + tile.first),
        count_(tile.count()) {
    if (memory_ != nullptr) {
      convert(memory_, count_, sums_);
    }
  }

  HWY_INLINE float* data() { return memory_ == nullptr ? nullptr : sums_; }
  HWY_INLINE void store() const {
    if (memory_ != nullptr) {
      convert(sums_, count_, memory_);
    }
  }

 private:
  HWY_ALIGN float sums_[kTileColumns];
  Element* memory_;
  std::int64_t count_;
};

// Sums of f32 are made in place.
template <>
class TileSums<float> {
 public:
  HWY_INLINE TileSums(float* memory, Range tile)
      : memory_(memory == nullptr ? nullptr : memory + tile.first) {}

  HWY_INLINE float* data() { return memory_; }
  HWY_INLINE void store() const {}

 private:
  float* memory_;
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
