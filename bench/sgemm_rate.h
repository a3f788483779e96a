// The rate of oneDNN's own sgemm here and now: the yardstick of the benchmarks.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#ifdef DURE_WITH_ONEDNN
#include <oneapi/dnnl/dnnl.hpp>
#endif

#include "dure/base/trace.h"

namespace dure::bench {

// Floating-point operations a second of C (M, N) = A (M, K) B (K, N) with M
// 2048, K 768, N 3072, the median of five runs; 0 in a build without oneDNN.
inline double sgemm_rate() {
#ifdef DURE_WITH_ONEDNN
  constexpr std::int64_t kM = 2048;
  constexpr std::int64_t kK = 768;
  constexpr std::int64_t kN = 3072;
  static const std::vector<float> a(kM * kK, 0.5F);
  static const std::vector<float> b(kK * kN, 0.25F);
  static std::vector<float> c(kM * kN);
  std::array<double, 5> rates{};
  for (double& rate : rates) {
    const double start = monotonic_seconds();
    dnnl::sgemm(
        'N', 'N', kM, kN, kK, 1, a.data(), kK, b.data(), kN, 0, c.data(), kN);
    rate = 2.0 * kM * kK * kN / (monotonic_seconds() - start);
  }
  std::sort(rates.begin(), rates.end());
  return rates[2];
#else
  return 0;
#endif
}

}  // namespace dure::bench
