// Compares the conversions of vector_elements-inl.h with those of base/half.h,
// and the words of philox-inl.h with those of base/random.h.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/half.h"
#include "dure/kernels/cpu/simd_targets.h"
#include "dure/kernels/target_testing.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/vector_elements_test.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/philox-inl.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

void widen_bf16(const Bf16* from, std::int64_t count, float* to) {
  convert(from, count, to);
}
void widen_f16(const F16* from, std::int64_t count, float* to) {
  convert(from, count, to);
}
void narrow_to_bf16(const float* from, std::int64_t count, Bf16* to) {
  convert(from, count, to);
}
void narrow_to_f16(const float* from, std::int64_t count, F16* to) {
  convert(from, count, to);
}

void round_to_bf16(const float* from,
                   const std::uint32_t* words,
                   std::int64_t count,
                   Bf16* to) {
  for_each_vector(0, count, [&](std::int64_t i, auto part) HWY_ATTR {
    part.store(round_stochastically(part.load(from + i),
                                    hn::LoadU(UnsignedBits(), words + i)),
               to + i);
  });
}

// Draws `count` words and copies them.
void draw(const RandomStream& stream,
          std::uint64_t first,
          std::uint64_t major,
          std::vector<std::uint32_t>& words) {
  std::vector<std::uint32_t> buffer(
      static_cast<std::size_t>(words_for(std::ssize(words))));
  const std::uint32_t* const drawn =
      draw_words(stream, first, std::ssize(words), buffer.data(), major);
  std::copy(drawn, drawn + words.size(), words.begin());
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(round_to_bf16);
HWY_EXPORT(draw);
HWY_EXPORT(widen_bf16);
HWY_EXPORT(widen_f16);
HWY_EXPORT(narrow_to_bf16);
HWY_EXPORT(narrow_to_f16);

void to_floats(const Bf16* from, std::int64_t count, float* to) {
  HWY_DYNAMIC_DISPATCH(widen_bf16)(from, count, to);
}
void to_floats(const F16* from, std::int64_t count, float* to) {
  HWY_DYNAMIC_DISPATCH(widen_f16)(from, count, to);
}
void from_floats(const float* from, std::int64_t count, Bf16* to) {
  HWY_DYNAMIC_DISPATCH(narrow_to_bf16)(from, count, to);
}
void from_floats(const float* from, std::int64_t count, F16* to) {
  HWY_DYNAMIC_DISPATCH(narrow_to_f16)(from, count, to);
}

template <typename Half>
std::vector<Half> all_halves() {
  std::vector<Half> all;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    all.push_back({static_cast<std::uint16_t>(bits)});
  }
  return all;
}

void add_with_neighbours(std::vector<float>& values, std::uint32_t bits) {
  for (const std::uint32_t near : {bits - 1, bits, bits + 1}) {
    values.push_back(std::bit_cast<float>(near));
    values.push_back(std::bit_cast<float>(near ^ 0x80000000U));
  }
}

// Every value of the type, the middle of each and the next, and the floats on
// either side of these, including the largest exponents, where infinity and the
// NaNs are.
template <typename Half>
std::vector<float> floats_around() {
  std::vector<float> values;
  for (std::uint16_t bits = 0; bits < 0x7FFF; ++bits) {
    const float low = to_float(Half{bits});
    const float high = to_float(Half{static_cast<std::uint16_t>(bits + 1)});
    add_with_neighbours(values, std::bit_cast<std::uint32_t>(low));
    add_with_neighbours(values, std::bit_cast<std::uint32_t>((low + high) / 2));
  }
  return values;
}

// Floats from the smallest subnormal to the last NaN. The step is odd, so that
// every pattern of the lower bits occurs.
std::vector<float> floats_of_every_exponent() {
  std::vector<float> values;
  constexpr std::uint64_t kStep = 3229;
  for (std::uint64_t bits = 0; bits < 0x100000000; bits += kStep) {
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
  for (const std::uint32_t bits : {0U,
                                   1U,
                                   0x00800000U,
                                   0x33000000U,
                                   0x38800000U,
                                   0x477FF000U,
                                   0x47800000U,
                                   0x7F7FFFFFU,
                                   0x7F800001U,
                                   0x7FC00000U,
                                   0x7FFFFFFEU}) {
    add_with_neighbours(values, bits);
  }
  return values;
}

template <typename Half>
void expect_narrowed(const std::vector<float>& values) {
  std::vector<Half> narrow(values.size());
  from_floats(values.data(), std::ssize(values), narrow.data());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(narrow[i].bits, from_float<Half>(values[i]).bits)
        << std::hex << std::bit_cast<std::uint32_t>(values[i]);
  }
}

// The bits of a float, in which a NaN is quiet.
std::uint32_t quiet_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return std::isnan(value) ? bits | 0x00400000U : bits;
}

template <typename Half>
class VectorElements : public testing::Test {};
using Halves = testing::Types<Bf16, F16>;
TYPED_TEST_SUITE(VectorElements, Halves);

TYPED_TEST(VectorElements, WidenEveryPatternAsScalarsDo) {
  on_every_instruction_set([] {
    const std::vector<TypeParam> all = all_halves<TypeParam>();
    std::vector<float> wide(all.size());
    to_floats(all.data(), std::ssize(all), wide.data());
    for (std::size_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(quiet_bits(wide[i]), quiet_bits(to_float(all[i])))
          << std::hex << i;
    }
  });
}

TYPED_TEST(VectorElements, RoundAsScalarsDo) {
  on_every_instruction_set([] {
    expect_narrowed<TypeParam>(floats_around<TypeParam>());
    expect_narrowed<TypeParam>(floats_of_every_exponent());
  });
}

// The rest at the end takes another way than whole vectors. Elements beyond it
// are neither read nor written.
TYPED_TEST(VectorElements, ConvertEveryLengthAndNoMore) {
  on_every_instruction_set([] {
    const std::vector<TypeParam> all = all_halves<TypeParam>();
    const float untouched = 7;
    for (std::int64_t count = 0; count <= 40; ++count) {
      const auto n = static_cast<std::size_t>(count);
      const std::vector<TypeParam> some(all.end() - count, all.end());
      std::vector<float> wide(n + 1, untouched);
      to_floats(some.data(), count, wide.data());
      EXPECT_EQ(wide[n], untouched);
      std::vector<TypeParam> narrow(n + 1, from_float<TypeParam>(untouched));
      from_floats(wide.data(), count, narrow.data());
      EXPECT_EQ(narrow[n], from_float<TypeParam>(untouched));
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_EQ(quiet_bits(wide[i]), quiet_bits(to_float(some[i])));
        ASSERT_EQ(narrow[i], from_float<TypeParam>(wide[i]));
      }
    }
  });
}

TEST(RandomWords, AreThoseOfTheStream) {
  const RandomStream stream(7, "words");
  constexpr std::uint64_t kFarMajor = 0x123456789ABULL;
  on_every_instruction_set([&] {
    for (const std::uint64_t first : {0ULL, 3ULL, (1ULL << 34) - 6}) {
      for (const std::uint64_t major : {std::uint64_t{0}, kFarMajor}) {
        std::vector<std::uint32_t> words(101);
        HWY_DYNAMIC_DISPATCH(draw)(stream, first, major, words);
        for (std::size_t i = 0; i < words.size(); ++i) {
          ASSERT_EQ(words[i], stream.bits(first + i, major)) << i;
        }
      }
    }
  });
}

TEST(StochasticRounding, OfVectorsIsThatOfScalars) {
  const RandomStream stream(7, "rounding");
  std::vector<float> values = floats_of_every_exponent();
  for (std::size_t i = values.size(); i-- > 0;) {
    values.push_back(-values[i]);
  }
  const auto lanes = static_cast<std::size_t>(64);
  std::vector<std::uint32_t> words(values.size() + lanes);
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = stream.bits(i);
  }
  on_every_instruction_set([&] {
    std::vector<Bf16> rounded(values.size());
    HWY_DYNAMIC_DISPATCH(round_to_bf16)
    (values.data(), words.data(), std::ssize(values), rounded.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(rounded[i].bits, to_bf16_stochastic(values[i], words[i]).bits)
          << std::hex << std::bit_cast<std::uint32_t>(values[i]);
    }
  });
}

}  // namespace
}  // namespace dure::kernels
#endif
