// Functions of vectors of f32.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_VECTOR_MATH_INL_H_
#undef DURE_KERNELS_CPU_VECTOR_MATH_INL_H_
#else
#define DURE_KERNELS_CPU_VECTOR_MATH_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <cstdint>
#include <hwy/highway.h>

#include "dure/kernels/cpu/vector_elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// 2^x for x <= 126, and 0 for x < -125; NaN stays NaN. The relative error is
// below 2^-22. x splits into an integer n and f in [-1/2, 1/2]; n goes into the
// exponent. 2^f is the polynomial of degree 5 that is 1 at 0 and has the least
// maximal relative error, 2^-23.1 (by Lawson's iteration).
HWY_INLINE Vector exp2(Vector x) {
  const Floats d;
  const hn::RebindToSigned<Floats> d_bits;
  // Adding 1.5 * 2^23 leaves n, rounded, in the low bits of the mantissa.
  const Vector shifter = hn::Set(d, 12582912.0F);
  const Vector shifted = hn::Add(x, shifter);
  const Vector f = hn::Sub(x, hn::Sub(shifted, shifter));
  Vector power = hn::Set(d, 1.326472731e-3F);
  power = hn::MulAdd(power, f, hn::Set(d, 9.671512991e-3F));
  power = hn::MulAdd(power, f, hn::Set(d, 5.550733581e-2F));
  power = hn::MulAdd(power, f, hn::Set(d, 2.402224243e-1F));
  power = hn::MulAdd(power, f, hn::Set(d, 6.931470037e-1F));
  power = hn::MulAdd(power, f, hn::Set(d, 1.0F));
  const auto n = hn::ShiftLeft<23>(hn::BitCast(d_bits, shifted));
  const Vector scaled = hn::BitCast(d, hn::Add(hn::BitCast(d_bits, power), n));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -125.0F)), scaled);
}

// total + sum_n a[n] b[n], one after another. Which products the compiler fuses
// with their sums is its choice, so there is one copy of this for all types of
// elements: then they have the same arithmetic.
HWY_NOINLINE inline float add_products(float total,
                                       const float* a,
                                       const float* b,
                                       std::int64_t count) {
  for (std::int64_t n = 0; n < count; ++n) {
    total += a[n] * b[n];
  }
  return total;
}

// At most kLanes elements as f32: those in memory, or converted into `lanes`.
HWY_INLINE const float* as_floats(const float* from,
                                  std::int64_t /*count*/,
                                  float* /*lanes*/) {
  return from;
}
template <typename Element>
HWY_INLINE const float* as_floats(const Element* from,
                                  std::int64_t count,
                                  float* lanes) {
  for (std::int64_t n = 0; n < count; ++n) {
    lanes[n] = to_float(from[n]);
  }
  return lanes;
}

// sum_n a[n] b[n]
template <typename A, typename B>
HWY_INLINE float dot(const A* a, const B* b, std::int64_t count) {
  const Floats d;
  Vector sum = hn::Zero(d);
  std::int64_t n = 0;
  for (; n + kLanes <= count; n += kLanes) {
    sum = hn::MulAdd(load_vector(a + n), load_vector(b + n), sum);
  }
  const float total = hn::GetLane(hn::SumOfLanes(d, sum));
  if (n == count) {
    return total;
  }
  const std::int64_t rest = count - n;
  float a_lanes[kLanes] = {};
  float b_lanes[kLanes] = {};
  return add_products(total,
                      as_floats(a + n, rest, a_lanes),
                      as_floats(b + n, rest, b_lanes),
                      rest);
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
