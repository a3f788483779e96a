#include "dure/roofline/fma_rate.h"

#include <array>
#include <cstdint>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/roofline/fma_rate.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/base/team.h"
#include "dure/base/trace.h"

HWY_BEFORE_NAMESPACE();
namespace dure::roofline::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Independent sums, enough to hide a multiply-add's latency (4 cycles in two
// units), and few enough for the registers. An array of them would be in
// memory: with gcc 12 it has a third of the rate.
constexpr int kSums = 12;

// The flops done; sum keeps the compiler from leaving them out.
double multiply_add(std::int64_t rounds, float& sum) {
  const hn::ScalableTag<float> tag;
  using Vector = hn::Vec<decltype(tag)>;
  const Vector factor = hn::Set(tag, 0.5F);
  const Vector addend = hn::Set(tag, 1.0F);
  Vector s0 = addend, s1 = addend, s2 = addend, s3 = addend, s4 = addend,
         s5 = addend, s6 = addend, s7 = addend, s8 = addend, s9 = addend,
         s10 = addend, s11 = addend;
  for (std::int64_t i = 0; i < rounds; ++i) {
    s0 = hn::MulAdd(s0, factor, addend);
    s1 = hn::MulAdd(s1, factor, addend);
    s2 = hn::MulAdd(s2, factor, addend);
    s3 = hn::MulAdd(s3, factor, addend);
    s4 = hn::MulAdd(s4, factor, addend);
    s5 = hn::MulAdd(s5, factor, addend);
    s6 = hn::MulAdd(s6, factor, addend);
    s7 = hn::MulAdd(s7, factor, addend);
    s8 = hn::MulAdd(s8, factor, addend);
    s9 = hn::MulAdd(s9, factor, addend);
    s10 = hn::MulAdd(s10, factor, addend);
    s11 = hn::MulAdd(s11, factor, addend);
  }
  Vector all = hn::Add(s0, s1);
  for (const Vector each : {s2, s3, s4, s5, s6, s7, s8, s9, s10, s11}) {
    all = hn::Add(all, each);
  }
  sum += hn::GetLane(hn::SumOfLanes(tag, all));
  return 2.0 * kSums * static_cast<double>(hn::Lanes(tag)) *
         static_cast<double>(rounds);
}

}  // namespace dure::roofline::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::roofline {

HWY_EXPORT(multiply_add);

double fma_rate(std::int64_t rounds) {
  constexpr std::int64_t kPieces = 64;
  Team team(0);
  std::array<float, kPieces> sums = {};
  std::array<double, kPieces> flops = {};
  const double start = monotonic_seconds();
  team.run(kPieces, [&](std::int64_t piece, int) {
    const auto i = static_cast<std::size_t>(piece);
    flops[i] = HWY_DYNAMIC_DISPATCH(multiply_add)(rounds, sums[i]);
  });
  const double seconds = monotonic_seconds() - start;
  double all = 0;
  for (std::size_t i = 0; i < flops.size(); ++i) {
    all += sums[i] > 0 ? flops[i] : 0;
  }
  return all / seconds;
}

}  // namespace dure::roofline
#endif
