#include "dure/base/half.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace dure {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The value of the bits, by IEEE 754's definition.
double meaning(unsigned bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int top = (1 << exponent_bits) - 1;
  const int exponent = static_cast<int>(bits >> mantissa_bits) & top;
  const unsigned mantissa = bits & ((1U << mantissa_bits) - 1);
  const double sign = (bits & 0x8000U) != 0 ? -1 : 1;
  if (exponent == top) {
    return mantissa == 0 ? sign * kInfinity : std::nan("");
  }
  const double fraction =
      std::ldexp(mantissa, -mantissa_bits) + (exponent > 0 ? 1 : 0);
  return sign * std::ldexp(fraction, std::max(exponent, 1) - bias);
}

struct Bf16Case {
  using Half = Bf16;
  static constexpr int kExponentBits = 8;
  static constexpr int kMantissaBits = 7;
  static constexpr std::uint16_t kInfinityBits = 0x7F80;
  static Half from(float value) { return to_bf16(value); }
};

struct F16Case {
  using Half = F16;
  static constexpr int kExponentBits = 5;
  static constexpr int kMantissaBits = 10;
  static constexpr std::uint16_t kInfinityBits = 0x7C00;
  static Half from(float value) { return to_f16(value); }
};

template <typename Case>
struct HalfTest : testing::Test {};
using Cases = testing::Types<Bf16Case, F16Case>;
TYPED_TEST_SUITE(HalfTest, Cases);

TYPED_TEST(HalfTest, EveryPatternMeansWhatIeeeSays) {
  using Half = typename TypeParam::Half;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const float value = to_float(Half{static_cast<std::uint16_t>(bits)});
    const double wanted =
        meaning(bits, TypeParam::kExponentBits, TypeParam::kMantissaBits);
    if (std::isnan(wanted)) {
      EXPECT_TRUE(std::isnan(value)) << bits;
    } else {
      ASSERT_EQ(value, wanted) << bits;
      ASSERT_EQ(std::signbit(value), std::signbit(wanted)) << bits;
    }
  }
}

TYPED_TEST(HalfTest, EveryPatternSurvivesTheRoundTrip) {
  using Half = typename TypeParam::Half;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const Half half{static_cast<std::uint16_t>(bits)};
    const float value = to_float(half);
    const Half back = TypeParam::from(value);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(to_float(back))) << bits;
    } else {
      ASSERT_EQ(back, half) << bits;
    }
  }
}

// Between two neighbours a < b, values below the middle go to a, those above it
// to b, and the middle to the one with an even last bit. The neighbour of the
// largest finite number is the number that would follow it (IEEE 754, 4.3.1);
// it counts as infinity.
TYPED_TEST(HalfTest, RoundsToTheNearestAndTiesToEven) {
  using Half = typename TypeParam::Half;
  for (std::uint16_t bits = 0; bits < TypeParam::kInfinityBits; ++bits) {
    const Half low{bits};
    const Half high{static_cast<std::uint16_t>(bits + 1)};
    const double a = to_float(low);
    const double b =
        high.bits == TypeParam::kInfinityBits
            ? 2 * a - to_float(Half{static_cast<std::uint16_t>(bits - 1)})
            : to_float(high);
    const auto middle = static_cast<float>((a + b) / 2);
    ASSERT_EQ(middle, (a + b) / 2) << bits;  // a float lies between, exactly
    const Half even = bits % 2 == 0 ? low : high;
    for (const int sign : {1, -1}) {
      const auto flip = static_cast<std::uint16_t>(sign < 0 ? 0x8000 : 0);
      const auto rounded = [&](float value) {
        return TypeParam::from(static_cast<float>(sign) * value).bits ^ flip;
      };
      ASSERT_EQ(rounded(middle), even.bits) << bits;
      ASSERT_EQ(rounded(std::nextafter(middle, 0.0F)), low.bits) << bits;
      ASSERT_EQ(rounded(std::nextafter(middle, kInfinity)), high.bits) << bits;
    }
  }
}

TYPED_TEST(HalfTest, TheLargestFloatsGoToInfinity) {
  const float largest = std::numeric_limits<float>::max();
  EXPECT_EQ(TypeParam::from(largest).bits, TypeParam::kInfinityBits);
  EXPECT_EQ(TypeParam::from(kInfinity).bits, TypeParam::kInfinityBits);
  EXPECT_EQ(TypeParam::from(-kInfinity).bits,
            TypeParam::kInfinityBits | 0x8000);
}

TYPED_TEST(HalfTest, EveryKindOfNanStaysOne) {
  for (const std::uint32_t bits :
       {0x7F800001U, 0x7FC00000U, 0x7FFFFFFFU, 0xFF800001U, 0xFFFFFFFFU}) {
    EXPECT_TRUE(
        std::isnan(to_float(TypeParam::from(std::bit_cast<float>(bits)))));
  }
}

TEST(HalfTest, F16HoldsThePublishedLimits) {
  EXPECT_EQ(to_f16(65504.0F).bits, 0x7BFF);  // largest
  EXPECT_EQ(to_float(F16{0x0400}), 0x1p-14F);
  EXPECT_EQ(to_float(F16{0x0001}), 0x1p-24F);
}

// A value that is k 2^-16 of a step beyond its lower neighbour goes up for k of
// the 2^16 words. So the mean over all words is the value.
TEST(StochasticRounding, GoesUpAsOftenAsTheValueIsNear) {
  for (const std::uint32_t rest : {0U, 1U, 0x1234U, 0x8000U, 0xFFFFU}) {
    for (const std::uint32_t kept : {0U, 0x0042U, 0x3F80U, 0xBFFFU, 0xFF7EU}) {
      const auto value = std::bit_cast<float>((kept << 16) | rest);
      std::uint32_t up = 0;
      for (std::uint32_t word = 0; word < 0x10000; ++word) {
        const std::uint32_t bits =
            to_bf16_stochastic(value, (word << 16) | (word ^ 0xABCD)).bits;
        ASSERT_TRUE(bits == kept || bits == kept + 1);
        up += bits - kept;
      }
      EXPECT_EQ(up, rest) << kept;
    }
  }
}

TEST(StochasticRounding, LeavesWhatBf16CanRepresent) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Bf16 half = {static_cast<std::uint16_t>(bits)};
    const float value = to_float(half);
    for (const std::uint32_t word : {0U, 0x7FFFFFFFU, ~0U}) {
      ASSERT_EQ(to_bf16_stochastic(value, word), to_bf16(value)) << bits;
    }
  }
  // A NaN whose upper half alone would be infinity.
  EXPECT_TRUE(std::isnan(
      to_float(to_bf16_stochastic(std::bit_cast<float>(0x7F800001U), ~0U))));
}

}  // namespace
}  // namespace dure
