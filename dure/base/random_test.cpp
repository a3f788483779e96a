#include "dure/base/random.h"

#include <bit>
#include <cmath>
#include <numbers>
#include <set>
#include <vector>

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

// The formula in double. Radius, cosine and sine are each off by a few
// roundings of numbers up to 5.77, 1 and 1; near an angle's zero the radius
// determines the error.
TEST(RandomStream, NormalIsTheBoxMullerTransform) {
  const RandomStream stream(1234, "weights");
  for (std::uint64_t i = 0; i < 100000; i += 2) {
    const double u = 1 - double{stream.uniform(i)};
    const double turn = 2 * std::numbers::pi * stream.uniform(i + 1);
    const double radius = std::sqrt(-2 * std::log(u));
    const double tolerance = 6 * 0x1p-24 * radius;
    ASSERT_NEAR(stream.normal(i), radius * std::cos(turn), tolerance) << i;
    ASSERT_NEAR(stream.normal(i + 1), radius * std::sin(turn), tolerance) << i;
  }
}

// Initial weights must never change, on any machine or compiler.
TEST(RandomStream, NormalKeepsItsBits) {
  const RandomStream stream(1234, "weights");
  EXPECT_EQ(stream.normal(0), -0x1.ff48f4p-1F);
  EXPECT_EQ(stream.normal(1), -0x1.1c1d2cp+0F);
  EXPECT_EQ(stream.normal(1000003), 0x1.345f92p+0F);
  EXPECT_EQ(stream.normal(1ULL << 40, 9), 0x1.999382p-3F);
  std::uint32_t hash = 0;
  for (std::uint64_t i = 0; i < 100000; ++i) {
    hash = hash * 31 + std::bit_cast<std::uint32_t>(stream.normal(i));
  }
  EXPECT_EQ(hash, 0xB894F0A6U);
}

TEST(RandomStream, NormalsAreTheNormalsOfTheirIndices) {
  const RandomStream stream(1234, "weights");
  for (const std::size_t count : {0, 1, 3, 4, 255, 256, 257, 1001}) {
    for (const std::uint64_t first : {0ULL, 1ULL, 6ULL, (1ULL << 34) - 3}) {
      std::vector<float> values(count);
      stream.normals(first, values, 2);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(values[i], stream.normal(first + i, 2))
            << first << " + " << i;
      }
    }
  }
}

// The bounds are five standard errors of each estimate.
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
