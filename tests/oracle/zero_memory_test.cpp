#include "tests/oracle/zero_memory.h"

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::parallel {
namespace {

// Figure 1 of arXiv:1910.02054 has 120, 31.4, 16.6 and 1.9 GB. All of it is
// exact in f64, as 7.5e9 / 64 is a whole number.
TEST(ZeroMemory, IsThePapersInMixedPrecision) {
  constexpr double kElements = 7.5e9;
  constexpr double kBytes[] = {120e9, 31.40625e9, 16.640625e9, 1.875e9};
  for (int stage = 0; stage <= 3; ++stage) {
    EXPECT_EQ(bytes_per_rank(stage, kElements, 64, kMixedPrecision).total(),
              kBytes[stage])
        << stage;
  }
}

// The stages take 16 n, 8 n + 8 n / P, 4 n + 12 n / P and 16 n / P.
TEST(ZeroMemory, IsSixteenBytesInSinglePrecisionToo) {
  constexpr double kElements = 1 << 20;
  for (const int ranks : {1, 2, 4, 64}) {
    const double part = kElements / ranks;
    const double bytes[] = {16 * kElements,
                            8 * kElements + 8 * part,
                            4 * kElements + 12 * part,
                            16 * part};
    for (int stage = 0; stage <= 3; ++stage) {
      EXPECT_EQ(
          bytes_per_rank(stage, kElements, ranks, kSinglePrecision).total(),
          bytes[stage])
          << stage << " on " << ranks;
    }
  }
}

TEST(ZeroMemory, SharesOutStatesThenGradientsThenValues) {
  const auto at = [](int stage) {
    return bytes_per_rank(stage, 100, 4, {1, 1, 1});
  };
  EXPECT_EQ(at(0).states, 100);
  EXPECT_EQ(at(1).states, 25);
  EXPECT_EQ(at(1).gradients, 100);
  EXPECT_EQ(at(2).gradients, 25);
  EXPECT_EQ(at(2).values, 100);
  EXPECT_EQ(at(3).values, 25);
}

TEST(ZeroMemory, RefusesOtherStages) {
  EXPECT_THROW(bytes_per_rank(4, 1, 1, kSinglePrecision), Error);
  EXPECT_THROW(bytes_per_rank(-1, 1, 1, kSinglePrecision), Error);
  EXPECT_THROW(bytes_per_rank(1, 1, 0, kSinglePrecision), Error);
}

}  // namespace
}  // namespace dure::parallel
