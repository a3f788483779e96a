// Sums of squares of f32, bf16 or f16 elements without rounding.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_SQUARES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_SQUARES_INL_H_
#undef DURE_KERNELS_CPU_SQUARES_INL_H_
#else
#define DURE_KERNELS_CPU_SQUARES_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <algorithm>

#include "dure/kernels/cpu/exact_sum-inl.h"
#include "dure/kernels/cpu/vector_math-inl.h"
#include "dure/kernels/cpu/widen-inl.h"
#include "dure/kernels/squared_norm.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// A sum of squares consists of groups of 16 elements:
//
//   p[j] = x[j]^2 + x[j + 8]^2                 j < 8
//   ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]))
//
// A square has 48 bits, so a fused multiply-add gives the same result.
inline constexpr std::int64_t kGroup = SquaredNorm::kGroup;

// x[j]^2 + x[j + 8]^2 for as many j as there are lanes.
HWY_INLINE WideVector sums_of_two_squares(const float* x) {
  const Wide wide;
  const hn::Rebind<float, Wide> narrow;
  const WideVector a = hn::PromoteTo(wide, hn::LoadU(narrow, x));
  const WideVector b = hn::PromoteTo(wide, hn::LoadU(narrow, x + kGroup / 2));
  return hn::MulAdd(a, a, hn::Mul(b, b));
}

// a[0] + a[1], a[2] + a[3], ..., b[0] + b[1], ...
HWY_INLINE WideVector sums_of_pairs(WideVector a, WideVector b) {
#if HWY_TARGET == HWY_SCALAR  // which has no ConcatEven
  return hn::Add(a, b);
#else
  const Wide wide;
  return hn::Add(hn::ConcatEven(wide, b, a), hn::ConcatOdd(wide, b, a));
#endif
}

// The sums of kWideLanes groups, one a lane.
HWY_INLINE WideVector sums_of_groups(const float* x) {
  static_assert(kGroup / 2 % kWideLanes == 0);
  constexpr std::int64_t kHalf = kGroup / 2;
  const auto pairs = [&](std::int64_t r) HWY_ATTR {
    const std::int64_t place = r * kWideLanes;
    return sums_of_two_squares(x + place / kHalf * kGroup + place % kHalf);
  };
  const auto fours = [&](std::int64_t r) HWY_ATTR {
    return sums_of_pairs(pairs(2 * r), pairs(2 * r + 1));
  };
  return sums_of_pairs(sums_of_pairs(fours(0), fours(1)),
                       sums_of_pairs(fours(2), fours(3)));
}

// Writes the sums of the groups of at most kMostTerms kGroup elements, and
// returns how many. Zeros fill up the last groups.
HWY_INLINE std::int64_t group_sums(const float* x,
                                   std::int64_t count,
                                   double* sums) {
  constexpr std::int64_t kAtOnce = kWideLanes * kGroup;
  std::int64_t i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce) {
    hn::Store(sums_of_groups(x + i), Wide(), sums + i / kGroup);
  }
  if (i < count) {
    HWY_ALIGN float rest[kAtOnce] = {};
    std::copy(x + i, x + count, rest);
    hn::Store(sums_of_groups(rest), Wide(), sums + i / kGroup);
    i += kAtOnce;
  }
  return i / kGroup;
}

inline void add_squares(const float* x, std::int64_t count, ExactSum& sum) {
  constexpr std::int64_t kBlock = kMostTerms * kGroup;
  HWY_ALIGN double sums[kMostTerms];
  for (std::int64_t i = 0; i < count; i += kBlock) {
    const std::int64_t in_block = std::min(kBlock, count - i);
    add_terms(sums, group_sums(x + i, in_block, sums), sum);
  }
}

// Adds the squares of a part of a tensor that begins with a group. Elements of
// 16 bits are widened block by block, which is exact.
inline void add_squares_of(const ConstTensor& x, Range part, ExactSum& sum) {
  if (x.dtype() == DType::kF32) {
    return add_squares(x.data<float>() + part.first, part.count(), sum);
  }
  constexpr std::int64_t kBlock = 128 * kGroup;
  HWY_ALIGN float block[kBlock];
  for (std::int64_t i = part.first; i < part.last; i += kBlock) {
    const Range here = {i, std::min(i + kBlock, part.last)};
    widen(x, here, block);
    add_squares(block, here.count(), sum);
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
