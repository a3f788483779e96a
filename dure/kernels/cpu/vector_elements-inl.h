// Vectors of f32, and their conversion from and to arrays of f32, bf16 or f16.
//
// The conversions are those of base/half.h, to the bit, on every target. For
// f16 they are instructions where there are any; these make a signalling NaN
// quiet, as arithmetic does. Highway's conversion to bf16 would truncate.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_VECTOR_ELEMENTS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_VECTOR_ELEMENTS_INL_H_
#undef DURE_KERNELS_CPU_VECTOR_ELEMENTS_INL_H_
#else
#define DURE_KERNELS_CPU_VECTOR_ELEMENTS_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <cstdint>
#include <hwy/highway.h>
#include <type_traits>

#include "dure/base/half.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Vectors have at most 64 bytes.
using Floats = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Floats>;
inline constexpr std::int64_t kLanes = hn::MaxLanes(Floats());

// The bits of floats, as whole numbers that shift and compare.
using SignedBits = hn::RebindToSigned<Floats>;
using UnsignedBits = hn::RebindToUnsigned<Floats>;
using HalfBits = hn::Rebind<std::uint16_t, Floats>;

// Whether conversions from and to f16 are instructions: those of F16C.
#if (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3) && \
    !defined(HWY_DISABLE_F16C)
inline constexpr bool kHasF16C = true;
#else
inline constexpr bool kHasF16C = false;
#endif

// From the bits of f16.
template <class D>
HWY_INLINE hn::Vec<D> convert_f16(D floats,
                                  hn::Vec<hn::Rebind<std::uint16_t, D>> half) {
  const hn::Rebind<hwy::float16_t, D> f16;
  return hn::PromoteTo(floats, hn::BitCast(f16, half));
}

// From the bits of an f16 in each lane, as numbers below 2^16.
template <class D>
HWY_INLINE hn::Vec<D> float_of_f16(D floats,
                                   hn::Vec<hn::RebindToSigned<D>> half) {
  if constexpr (kHasF16C) {
    const hn::Rebind<std::uint16_t, D> narrow;
    return convert_f16(floats, hn::DemoteTo(narrow, half));
  }
  const hn::RebindToSigned<D> d;
  const auto magnitude = hn::And(half, hn::Set(d, 0x7FFF));
  const auto sign = hn::ShiftLeft<16>(hn::Xor(half, magnitude));
  const auto subnormal = hn::BitCast(
      d, hn::Mul(hn::ConvertTo(floats, magnitude), hn::Set(floats, 0x1p-24F)));
  const auto shifted = hn::ShiftLeft<13>(magnitude);
  const auto normal = hn::Add(shifted, hn::Set(d, 112 << 23));
  const auto special = hn::Or(shifted, hn::Set(d, 0x7F800000));
  const auto bits = hn::IfThenElse(
      hn::Lt(magnitude, hn::Set(d, 0x0400)),
      subnormal,
      hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0x7C00)), normal, special));
  return hn::BitCast(floats, hn::Or(sign, bits));
}

// From the bits of a Half in each lane, as numbers below 2^16.
template <typename Half, class D>
HWY_INLINE hn::Vec<D> float_of(D d, hn::Vec<hn::RebindToSigned<D>> bits) {
  if constexpr (std::is_same_v<Half, Bf16>) {
    return hn::BitCast(d, hn::ShiftLeft<16>(bits));
  } else {
    static_assert(std::is_same_v<Half, F16>);
    return float_of_f16(d, bits);
  }
}

// Loads as many elements as d has lanes.
template <class D, typename Element>
HWY_INLINE hn::Vec<D> load_floats(D d, const Element* from) {
  if constexpr (std::is_same_v<Element, float>) {
    return hn::LoadU(d, from);
  } else {
    const hn::RebindToSigned<D> numbers;
    const hn::Rebind<std::uint16_t, D> half;
    const auto bits = hn::LoadU(half, &from->bits);
    if constexpr (std::is_same_v<Element, F16> && kHasF16C) {
      return convert_f16(d, bits);
    } else {
      return float_of<Element>(d, hn::PromoteTo(numbers, bits));
    }
  }
}

// Takes numbers below 2^16.
HWY_INLINE void store_half_bits(hn::Vec<SignedBits> bits, std::uint16_t* to) {
  hn::StoreU(hn::DemoteTo(HalfBits(), bits), HalfBits(), to);
}

// Load and store kLanes elements.
template <typename Element>
HWY_INLINE Vector load_vector(const Element* from) {
  return load_floats(Floats(), from);
}
HWY_INLINE void store_vector(Vector v, float* to) {
  hn::StoreU(v, Floats(), to);
}
HWY_INLINE void store_vector(Vector v, Bf16* to) {
  const UnsignedBits d;
  const auto bits = hn::BitCast(d, v);
  const auto upper = hn::ShiftRight<16>(bits);
  const auto tie = hn::Add(hn::And(upper, hn::Set(d, 1)), hn::Set(d, 0x7FFF));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, tie));
  const auto quiet_nan = hn::Or(upper, hn::Set(d, 0x0040));
  const auto is_nan = hn::RebindMask(d, hn::IsNaN(v));
  store_half_bits(
      hn::BitCast(SignedBits(), hn::IfThenElse(is_nan, quiet_nan, rounded)),
      &to->bits);
}

// base/half.h's to_bf16_stochastic(), as floats that bf16 holds: storing them
// rounds no more. There is a random word for each lane.
HWY_INLINE Vector round_stochastically(Vector v, hn::Vec<UnsignedBits> words) {
  const UnsignedBits d;
  const auto sum = hn::Add(hn::BitCast(d, v), hn::ShiftRight<16>(words));
  const auto rounded = hn::And(sum, hn::Set(d, 0xFFFF0000U));
  return hn::IfThenElse(hn::IsFinite(v), hn::BitCast(Floats(), rounded), v);
}

HWY_INLINE void store_vector(Vector v, F16* to) {
  if constexpr (kHasF16C) {
    const hn::Rebind<hwy::float16_t, Floats> f16;
    const auto narrow = hn::DemoteTo(f16, v);
    return hn::StoreU(hn::BitCast(HalfBits(), narrow), HalfBits(), &to->bits);
  }
  const SignedBits d;
  const Vector half = hn::Set(Floats(), 0.5F);
  const auto bits = hn::BitCast(d, v);
  const auto magnitude = hn::And(bits, hn::Set(d, 0x7FFFFFFF));
  const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 0x8000));
  const auto below_normal = hn::Lt(magnitude, hn::Set(d, 113 << 23));
  const Vector small =
      hn::BitCast(Floats(), hn::IfThenElseZero(below_normal, magnitude));
  const auto subnormal =
      hn::Sub(hn::BitCast(d, hn::Add(half, small)), hn::BitCast(d, half));
  const auto last = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(d, 1));
  const auto tie = hn::Add(last, hn::Set(d, 0x0FFF - (112 << 23)));
  const auto normal = hn::ShiftRight<13>(hn::Add(magnitude, tie));
  const auto payload =
      hn::And(hn::ShiftRight<13>(magnitude), hn::Set(d, 0x03FF));
  const auto nan = hn::Or(payload, hn::Set(d, 0x7E00));
  auto rounded = hn::IfThenElse(below_normal, subnormal, normal);
  rounded = hn::IfThenElse(
      hn::Lt(magnitude, hn::Set(d, 143 << 23)), rounded, hn::Set(d, 0x7C00));
  rounded =
      hn::IfThenElse(hn::Gt(magnitude, hn::Set(d, 0x7F800000)), nan, rounded);
  store_half_bits(hn::Or(sign, rounded), &to->bits);
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
