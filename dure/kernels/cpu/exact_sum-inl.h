// Adds many doubles to an ExactSum at the speed of vectors.
//
// Each term is cut at three places, the same for all terms and so far below the
// largest that the pieces between two cuts add up in f64 without rounding [1,
// ExtractScalar]. Usually nothing is left below the last cut. If something is
// (terms some 2^76 times smaller than the largest, NaN, infinity), the terms
// are added one by one instead. The sum is exact either way.
//
// [1] Rump, Ogita and Oishi 2008, "Accurate Floating-Point Summation Part I:
//     Faithful Rounding", SIAM Journal on Scientific Computing 31(1).
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_EXACT_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_EXACT_SUM_INL_H_
#undef DURE_KERNELS_CPU_EXACT_SUM_INL_H_
#else
#define DURE_KERNELS_CPU_EXACT_SUM_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <hwy/highway.h>

#include "dure/base/exact_sum.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Wide = hn::CappedTag<double, 8>;
using WideVector = hn::Vec<Wide>;
inline constexpr std::int64_t kWideLanes = hn::MaxLanes(Wide());

inline constexpr int kCuts = 3;
inline constexpr std::int64_t kMostTerms = 1024;  // 2^10

// Adding 1.5 2^k to a term, and subtracting it, rounds to multiples of 2^(k -
// 52). With terms below 2^(k - 9), 2^10 of them have a sum below 2^(k + 1):
// 53 bits. The remainders are at most 2^(k - 53), which is below 2^(k' - 9) at
// k' = k - 43.
inline constexpr int kFirstCut = 10;  // k, for terms below 2
inline constexpr double kNextCut = 0x1p-43;

// Parts of terms, one number a lane, and the rest below the last cut.
struct CutTerms {
  WideVector sums[kCuts];
  WideVector rest;
};

HWY_INLINE double largest_of(const double* terms, std::int64_t count) {
  const Wide wide;
  WideVector largest = hn::Zero(wide);
  for (std::int64_t i = 0; i < count; i += kWideLanes) {
    largest = hn::Max(largest, hn::Abs(hn::Load(wide, terms + i)));
  }
  return hn::GetLane(hn::MaxOfLanes(wide, largest));
}

HWY_INLINE CutTerms cut_terms(const double* terms,
                              std::int64_t count,
                              double first_cut) {
  const Wide wide;
  WideVector cuts[kCuts];
  CutTerms result;
  for (int c = 0; c < kCuts; ++c) {
    cuts[c] = hn::Set(wide, first_cut);
    result.sums[c] = hn::Zero(wide);
    first_cut *= kNextCut;
  }
  result.rest = hn::Zero(wide);
  for (std::int64_t i = 0; i < count; i += kWideLanes) {
    WideVector term = hn::Load(wide, terms + i);
    for (int c = 0; c < kCuts; ++c) {
      const WideVector above = hn::Sub(hn::Add(term, cuts[c]), cuts[c]);
      result.sums[c] = hn::Add(result.sums[c], above);
      term = hn::Sub(term, above);
    }
    result.rest = hn::Or(result.rest, term);
  }
  return result;
}

// Adds the terms by cuts, and returns whether that was possible. A NaN that Max
// overlooked is its own remainder. The cuts stay normal numbers even if all
// terms are tiny.
HWY_INLINE bool add_cut_terms(const double* terms,
                              std::int64_t count,
                              ExactSum& sum) {
  const Wide wide;
  const double largest = largest_of(terms, count);
  if (!(largest < 0x1p1000)) {
    return false;
  }
  const int exponent = std::ilogb(std::max(largest, 0x1p-800));
  const CutTerms parts =
      cut_terms(terms, count, std::ldexp(1.5, exponent + kFirstCut));
  if (!hn::AllTrue(wide, hn::Eq(parts.rest, hn::Zero(wide)))) {
    return false;
  }
  HWY_ALIGN double lanes[kWideLanes];
  for (const WideVector& part : parts.sums) {
    hn::Store(part, wide, lanes);
    for (const double lane : lanes) {
      sum.add(lane);
    }
  }
  return true;
}

// Adds at most kMostTerms terms, a multiple of kWideLanes, aligned to vectors.
HWY_INLINE void add_terms(const double* terms,
                          std::int64_t count,
                          ExactSum& sum) {
  if (!add_cut_terms(terms, count, sum)) {
    for (std::int64_t i = 0; i < count; ++i) {
      sum.add(terms[i]);
    }
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
