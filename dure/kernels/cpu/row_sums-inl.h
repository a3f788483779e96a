// Sums over rows, of many columns at once: in f32, whatever type they have in
// memory.
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

// Columns of a tile: two arrays of them take a quarter of a first-level cache,
// through which the rows pass.
inline constexpr std::int64_t kTileColumns = 1024;

class TileSums {
 public:
  // Begins with these.
  template <typename Element>
  HWY_INLINE TileSums(const Element* from, std::int64_t count) : count_(count) {
    convert(from, count, sums_);
  }

  HWY_INLINE float* data() { return sums_; }

  template <typename Element>
  HWY_INLINE void store(Element* to) const {
    convert(sums_, count_, to);
  }

 private:
  HWY_ALIGN float sums_[kTileColumns];
  std::int64_t count_;
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
