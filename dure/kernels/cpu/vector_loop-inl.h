// Loops over arrays of f32, bf16 or f16 by vectors of f32, with one formula for
// whole vectors and for the rest at the end. So a result depends on the
// elements alone, not on where an array was cut.
//
//   for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
//     part.store(hn::Mul(part.load(x + c), scale), y + c);
//   });
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_VECTOR_LOOP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_VECTOR_LOOP_INL_H_
#undef DURE_KERNELS_CPU_VECTOR_LOOP_INL_H_
#else
#define DURE_KERNELS_CPU_VECTOR_LOOP_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <algorithm>
#include <cstdint>

#include "dure/kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// Loads and stores kLanes elements of f32, bf16 or f16.
struct WholeVector {
  template <typename Element>
  static HWY_INLINE Vector load(const Element* from) {
    return load_vector(from);
  }
  template <typename Element>
  static HWY_INLINE void store(Vector v, Element* to) {
    store_vector(v, to);
  }
  template <typename Element>
  static HWY_INLINE Vector load_or(const Element* from, Vector /*other*/) {
    return load(from);
  }
  static HWY_INLINE Vector only(Vector v) { return v; }
};

// Loads and stores the last `count` < kLanes elements, through an array on the
// stack: some targets' masked loads touch memory beyond the mask.
struct PartVector {
  std::int64_t count;

  template <typename Element>
  HWY_INLINE Vector load(const Element* from) const {
    HWY_ALIGN Element lanes[kLanes] = {};
    std::copy(from, from + count, lanes);
    return load_vector(lanes);
  }
  template <typename Element>
  HWY_INLINE void store(Vector v, Element* to) const {
    HWY_ALIGN Element lanes[kLanes];
    store_vector(v, lanes);
    std::copy(lanes, lanes + count, to);
  }
  // The lanes past the last are those of `other`.
  template <typename Element>
  HWY_INLINE Vector load_or(const Element* from, Vector other) const {
    const hn::Mask<Floats> mask =
        hn::FirstN(Floats(), static_cast<std::size_t>(count));
    return hn::IfThenElse(mask, load(from), other);
  }
  // The lanes past the last are 0, for sums.
  HWY_INLINE Vector only(Vector v) const {
    const hn::Mask<Floats> mask =
        hn::FirstN(Floats(), static_cast<std::size_t>(count));
    return hn::IfThenElseZero(mask, v);
  }
};

template <typename Body>
HWY_INLINE void for_each_vector(std::int64_t first,
                                std::int64_t last,
                                const Body& body) {
  std::int64_t i = first;
  for (; i + kLanes <= last; i += kLanes) {
    body(i, WholeVector());
  }
  if (i < last) {
    body(i, PartVector{last - i});
  }
}

// to[i] = from[i], in the type of `to`.
template <typename From, typename To>
HWY_INLINE void convert(const From* from, std::int64_t count, To* to) {
  for_each_vector(0, count, [&](std::int64_t i, auto part) HWY_ATTR {
    part.store(part.load(from + i), to + i);
  });
}

HWY_INLINE Vector broadcast(float value) {
  return hn::Set(Floats(), value);
}
HWY_INLINE float sum_of_lanes(Vector v) {
  return hn::GetLane(hn::SumOfLanes(Floats(), v));
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
