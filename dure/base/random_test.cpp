#include "dure/base/random.h"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

namespace dure {
namespace {

// The known answers published with Random123 (kat_vectors, philox4x32 10).
TEST(Philox, GivesThePublishedVectors) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (PhiloxBlock{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
  EXPECT_EQ(philox({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}),
            (PhiloxBlock{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}));
  EXPECT_EQ(philox({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344},
                   {0xA4093822, 0x299F31D0}),
            (PhiloxBlock{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}));
}

TEST(RandomStream, IsAFunctionOfSeedNameMajorAndIndex) {
  const RandomStream stream(1, "a");
  EXPECT_EQ(stream.bits(7), RandomStream(1, "a").bits(7));
  const std::set<std::uint32_t> differ = {stream.bits(7),
                                          stream.bits(8),
                                          stream.bits(7, 1),
                                          RandomStream(2, "a").bits(7),
                                          RandomStream(1, "b").bits(7)};
  EXPECT_EQ(differ.size(), 5U);
}

// Bounds at five standard errors of each estimate.
TEST(RandomStream, NormalHasUnitMoments) {
  const RandomStream stream(1234, "weights");
  constexpr int kDraws = 1 << 20;
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = stream.normal(static_cast<std::uint64_t>(i));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  const double root = std::sqrt(kDraws);
  EXPECT_NEAR(sum / kDraws, 0, 5 / root);
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0) / root);
  EXPECT_NEAR(fourth / kDraws, 3, 5 * std::sqrt(96.0) / root);
}

TEST(RandomStream, BelowIsUniform) {
  const RandomStream stream(1, "dice");
  constexpr int kDraws = 60000;
  int counts[6] = {};
  for (int i = 0; i < kDraws; ++i) {
    ++counts[stream.below(6, static_cast<std::uint64_t>(i))];
  }
  for (int count : counts) {  // five standard deviations of a binomial
    EXPECT_NEAR(count, kDraws / 6, 5 * std::sqrt(kDraws * 5 / 36.0));
  }
}

}  // namespace
}  // namespace dure
