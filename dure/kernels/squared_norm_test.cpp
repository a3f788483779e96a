#include "dure/kernels/squared_norm.h"

#include <limits>

#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

using Digits = std::vector<std::int64_t>;

constexpr auto kDigits = static_cast<std::size_t>(kSumDigits);

struct Norm {
  ExactSum sum;
  std::int64_t first_nonfinite = 100;  // more spans than there are
};

Norm norm_of(const std::vector<ConstTensor>& spans) {
  Digits digits(kDigits);
  Norm norm;
  launch_here(SquaredNorm{.sum = Tensor(digits.data(), {kSumDigits}),
                          .first_nonfinite = Tensor(&norm.first_nonfinite, {1}),
                          .spans = spans,
                          .first_span = 10});
  norm.sum = ExactSum(std::span(digits).first<kDigits>());
  return norm;
}

std::vector<ExactSum> squared_norms(const std::vector<ConstTensor>& spans) {
  std::vector<ExactSum> sums;
  for (const ConstTensor& span : spans) {
    sums.push_back(norm_of({span}).sum);
  }
  return sums;
}

// The order within a group is that of cpu/squares-inl.h.
ExactSum squares_by_the_formula(const Values& values) {
  constexpr std::size_t kGroup = SquaredNorm::kGroup;
  Doubles x = doubles(values);
  x.resize((x.size() + kGroup - 1) / kGroup * kGroup);
  ExactSum sum;
  for (std::size_t i = 0; i < x.size(); i += kGroup) {
    const auto p = [&](std::size_t j) {
      const double a = x[i + j];
      const double b = x[i + j + 8];
      return a * a + b * b;
    };
    sum.add(((p(0) + p(1)) + (p(2) + p(3))) + ((p(4) + p(5)) + (p(6) + p(7))));
  }
  return sum;
}

// Values of all sizes, so that another order would give other bits.
Values values_of_all_sizes(std::int64_t count, const char* name) {
  Values values = random_values(count, name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::ldexp(values[i], static_cast<int>(i * 37 % 23));
  }
  return values;
}

TEST(SquaredNorm, IsTheFormulaToTheBitOnEveryInstructionSet) {
  for (const std::int64_t count : {0, 1, 15, 16, 17, 127, 129, 1000, 50001}) {
    const Values x = values_of_all_sizes(count, "squares");
    const ExactSum expected = squares_by_the_formula(x);
    on_every_instruction_set([&] {
      EXPECT_EQ(squared_norms({tensor(x, {count})})[0], expected) << count;
    });
  }
}

// One group is so small beside the others that it is just within, or just
// beyond, the three cuts of cpu/exact_sum-inl.h, which end some 2^38 below the
// largest element.
TEST(SquaredNorm, IsTheFormulaWhateverTheSpreadOfSizes) {
  Values x = random_values(3000, "spread");
  for (int exponent = 0; exponent < 80; ++exponent) {
    for (std::size_t i = 1600; i < 1616; ++i) {
      x[i] = std::ldexp(x[i - 16], -exponent);
    }
    const ExactSum expected = squares_by_the_formula(x);
    on_every_instruction_set([&] {
      EXPECT_EQ(squared_norms({tensor(x, {3000})})[0], expected) << exponent;
    });
  }
}

TEST(SquaredNorm, IsWithinRoundingOfAGroupOfTheTrueSum) {
  const Values x = values_of_all_sizes(100000, "near");
  ExactSum exact;
  for (const float value : x) {
    exact.add(static_cast<double>(value) * value);  // without rounding
  }
  // There are four additions, each of terms of one sign.
  EXPECT_NEAR(squared_norms({tensor(x, {100000})})[0].value(),
              exact.value(),
              4 * 0x1p-53 * exact.value());
}

TEST(SquaredNorm, HoldsTheLargestAndTheSmallestFloats) {
  const float largest = std::numeric_limits<float>::max();
  const float least = std::numeric_limits<float>::denorm_min();
  Values x(1000, largest);
  x.resize(1016, least);
  x[0] = least;
  on_every_instruction_set([&] {
    const ExactSum sum = squared_norms({tensor(x, {1016})})[0];
    EXPECT_EQ(sum, squares_by_the_formula(x));
    const double square = static_cast<double>(largest) * largest;
    EXPECT_EQ(sum.value(), 999 * square);  // the least are below its last bit
  });
  const Values tiny(48, least);
  EXPECT_EQ(squared_norms({tensor(tiny, {48})})[0].value(), 48 * 0x1p-298);
}

TEST(SquaredNorm, ShowsWhichTensorIsNotFinite) {
  Values good(100, 1);
  for (const float bad_value : {std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::quiet_NaN()}) {
    Values bad(100, 1);
    bad[77] = bad_value;
    const auto sums = squared_norms({tensor(good, {100}), tensor(bad, {100})});
    EXPECT_EQ(sums[0].value(), 100);
    EXPECT_FALSE(std::isfinite(sums[1].value()));
  }
}

// Cuts a weight as ZeRO does: ranks hold parts of it, of any lengths that are
// multiples of a group.
TEST(SquaredNorm, PartsAddUpToTheWholeToTheBit) {
  constexpr std::int64_t kCount = 16 * 1000 + 5;
  const Values x = values_of_all_sizes(kCount, "cut");
  const ExactSum whole = squared_norms({tensor(x, {kCount})})[0];
  for (const std::int64_t ranks : {2, 3, 7, 16}) {
    std::vector<ConstTensor> parts;
    for (std::int64_t r = 0; r < ranks; ++r) {
      const auto cut = [&](std::int64_t rank) {
        return rank == ranks ? kCount : 1000 * rank / ranks * 16;
      };
      parts.push_back({x.data() + cut(r), {cut(r + 1) - cut(r)}});
    }
    ExactSum sum;
    for (const ExactSum& part : squared_norms(parts)) {
      sum.add(part);
    }
    EXPECT_EQ(sum, whole) << ranks;
  }
}

TEST(SquaredNorm, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Values x = values_of_all_sizes(200000, "long");
  const Values y = values_of_all_sizes(77777, "also");
  expect_same_bits_on_any_threads([&] {
    return norm_of({tensor(x, {200000}), tensor(y, {77777})}).sum;
  });
}

TEST(SquaredNorm, AddsUpAllSpansAndNamesTheFirstThatIsNotFinite) {
  const Values a = {3, 0};
  const Values b = {4, 12};
  const Norm norm = norm_of({tensor(a, {2}), tensor(b, {2})});
  EXPECT_EQ(norm.sum.value(), 169);
  EXPECT_EQ(norm.first_nonfinite, 100);
  const Values bad = {1, std::numeric_limits<float>::quiet_NaN()};
  const Norm found =
      norm_of({tensor(a, {2}), tensor(bad, {2}), tensor(bad, {2})});
  EXPECT_EQ(found.first_nonfinite, 11);
  EXPECT_FALSE(std::isfinite(found.sum.value()));
}

template <typename Half>
void expect_squares_of_halves() {
  constexpr std::int64_t kCount = 16 * 3000 + 5;
  const Values x = values_of_all_sizes(kCount, "halves");
  std::vector<Half> halves;
  Values wide;
  for (const float value : x) {
    halves.push_back(from_float<Half>(value / 64));
    wide.push_back(to_float(halves.back()));
  }
  const ExactSum expected = squares_by_the_formula(wide);
  on_every_instruction_set([&] {
    EXPECT_EQ(squared_norms({{halves.data(), {kCount}}})[0], expected);
  });
  ExactSum sum;
  for (const ExactSum& part :
       squared_norms({{halves.data(), {16 * 77}},
                      {halves.data() + 16 * 77, {kCount - 16 * 77}}})) {
    sum.add(part);
  }
  EXPECT_EQ(sum, expected);
  halves[kCount - 1] = from_float<Half>(HUGE_VALF);
  const Norm found = norm_of({tensor(x, {kCount}), {halves.data(), {kCount}}});
  EXPECT_EQ(found.first_nonfinite, 11);
  EXPECT_FALSE(std::isfinite(found.sum.value()));
}

TEST(SquaredNorm, OfHalvesIsThatOfTheSameFloats) {
  expect_squares_of_halves<Bf16>();
  expect_squares_of_halves<F16>();
}

TEST(SquaredNorm, RefusesSumsThatDoNotFit) {
  const std::vector<ConstTensor> none;
  EXPECT_THROW(
      check(SquaredNorm{.sum = {}, .first_nonfinite = {}, .spans = none}),
      Error);
}

}  // namespace
}  // namespace dure::kernels
