#include "dure/base/exact_sum.h"

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/random.h"

namespace dure {
namespace {

using Doubles = std::vector<double>;
using Digits = std::vector<std::int64_t>;

constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kLeast = std::numeric_limits<double>::denorm_min();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

ExactSum sum_of(std::span<const double> terms) {
  ExactSum sum;
  for (const double term : terms) {
    sum.add(term);
  }
  return sum;
}

double value_of(const Doubles& terms) {
  return sum_of(terms).value();
}

Digits digits_of(ExactSum sum) {
  const auto digits = sum.digits();
  return {digits.begin(), digits.end()};
}

// The sum that an all_reduce of the ranks' digits leaves on each rank.
ExactSum reduced(std::vector<ExactSum> ranks) {
  for (std::size_t r = 1; r < ranks.size(); ++r) {
    const auto from = ranks[r].digits();
    const auto to = ranks[0].digits();
    std::transform(
        from.begin(), from.end(), to.begin(), to.begin(), std::plus<>());
  }
  return ranks[0];
}

// A finite double of any sign, exponent and mantissa, subnormals among them.
double any_double(const RandomStream& stream, std::uint64_t i) {
  const std::uint64_t high = stream.bits(2 * i);
  const std::uint64_t bits = (high << 32) | stream.bits(2 * i + 1);
  const double value = std::bit_cast<double>(bits);
  return std::isfinite(value) ? value : std::copysign(1.0, value);
}

Doubles any_doubles(std::size_t count, const char* name) {
  const RandomStream stream(5, name);
  Doubles values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = any_double(stream, i);
  }
  return values;
}

Doubles shuffled(Doubles values, const char* name) {
  const RandomStream stream(6, name);
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[stream.below(i, i)]);
  }
  return values;
}

TEST(ExactSum, OfNothingAndOfZerosIsZero) {
  EXPECT_EQ(ExactSum().value(), 0);
  const double zeros = value_of({-0.0, 0.0, -0.0});
  EXPECT_EQ(zeros, 0);
  EXPECT_FALSE(std::signbit(zeros));
}

TEST(ExactSum, OfOneTermIsTheTerm) {
  Doubles terms = any_doubles(20000, "one");
  for (int exponent = -1074; exponent < 1024; ++exponent) {
    terms.push_back(std::ldexp(1, exponent));
    terms.push_back(-std::nextafter(std::ldexp(1, exponent), kInfinity));
    terms.push_back(std::nextafter(std::ldexp(1, exponent), 0));
  }
  terms.insert(terms.end(), {kMax, -kMax, kLeast, -kLeast});
  for (const double term : terms) {
    ASSERT_EQ(value_of({term}), term);
  }
}

// IEEE 754's own addition is correctly rounded, so two terms have an oracle
// that shares nothing with digits, for nearby exponents, which round, as well
// as for distant ones.
TEST(ExactSum, OfTwoTermsIsWhatTheMachineAdds) {
  ASSERT_EQ(std::fegetround(), FE_TONEAREST);
  const Doubles terms = any_doubles(20000, "two");
  for (std::size_t i = 0; i + 1 < terms.size(); ++i) {
    ASSERT_EQ(value_of({terms[i], terms[i + 1]}), terms[i] + terms[i + 1]);
    const int distance = static_cast<int>(i % 115) - 57;
    const double near =
        std::ldexp(terms[i + 1],
                   std::ilogb(terms[i]) - std::ilogb(terms[i + 1]) + distance);
    ASSERT_EQ(value_of({terms[i], near}), terms[i] + near);
    const double ulp = std::ldexp(1, std::ilogb(terms[i]) - 53);
    ASSERT_EQ(value_of({terms[i], ulp}), terms[i] + ulp);  // ties among them
  }
}

// The terms are integers below 2^90 times 2^-40; __int128 holds their sum, and
// its conversion to double rounds to the nearest, ties to even.
TEST(ExactSum, OfManyTermsIsTheIntegerSumRounded) {
  __extension__ using Integer = __int128;
  const RandomStream stream(8, "integers");
  ExactSum sum;
  Integer expected = 0;
  for (std::uint64_t i = 0; i < 100000; ++i) {
    const auto mantissa =
        static_cast<std::int64_t>((std::uint64_t{stream.bits(3 * i)} << 21) |
                                  stream.bits(3 * i + 1) >> 11);
    const int shift = static_cast<int>(stream.bits(3 * i + 2) % 38);
    const std::int64_t term = i % 2 == 0 ? mantissa : -mantissa;
    sum.add(std::ldexp(static_cast<double>(term), shift - 40));
    expected += Integer{term} * (std::int64_t{1} << shift);
    ASSERT_EQ(sum.value(), std::ldexp(static_cast<double>(expected), -40));
  }
}

TEST(ExactSum, KeepsWhatCancellationLeaves) {
  EXPECT_EQ(value_of({1e300, 1, -1e300}), 1);
  EXPECT_EQ(value_of({kMax, kLeast, -kMax}), kLeast);
  EXPECT_EQ(value_of({-kMax, -kLeast, kMax}), -kLeast);
  Doubles terms = any_doubles(5000, "cancel");
  for (std::size_t i = 0; i < 5000; ++i) {
    terms.push_back(-terms[i]);
  }
  terms.push_back(0.1);
  EXPECT_EQ(value_of(shuffled(terms, "cancel")), 0.1);
}

// 1 + 2^-53 is halfway between two doubles; the least bit decides.
TEST(ExactSum, BreaksTiesToEvenUnlessAnyBitIsBelow) {
  const double above = std::nextafter(1.0, 2.0);
  EXPECT_EQ(value_of({1, 0x1p-53}), 1);
  EXPECT_EQ(value_of({1, 0x1p-53, kLeast}), above);
  EXPECT_EQ(value_of({1, 0x1p-53, -kLeast}), 1);
  EXPECT_EQ(value_of({above, 0x1p-53}), std::nextafter(above, 2.0));
  EXPECT_EQ(value_of({above, 0x1p-53, -kLeast}), above);
  EXPECT_EQ(value_of({-1, -0x1p-53, -kLeast}), -above);
}

TEST(ExactSum, AddsUpTinyTermsThatAPlainSumWouldLose) {
  ExactSum sum;
  sum.add(1);
  double plain = 1;
  for (int i = 0; i < 1 << 20; ++i) {
    sum.add(0x1p-60);
    plain += 0x1p-60;
  }
  EXPECT_EQ(sum.value(), 1 + 0x1p-40);
  EXPECT_EQ(plain, 1);
}

TEST(ExactSum, PassesTheLargestDoubleAndComesBack) {
  EXPECT_EQ(value_of({kMax, kMax}), kInfinity);
  EXPECT_EQ(value_of({kMax, 0x1p970}), kInfinity);  // half of the last place
  EXPECT_EQ(value_of({kMax, 0x1p970, -kLeast}), kMax);
  EXPECT_EQ(value_of({kMax, kMax, -kMax}), kMax);
  EXPECT_EQ(value_of({-kMax, -kMax, kMax}), -kMax);
}

TEST(ExactSum, SquaresOfTheLargestFloatsDoNotOverflow) {
  const double square = 0x1.fffffep127 * 0x1.fffffep127;
  ExactSum sum;
  for (int i = 0; i < 1 << 16; ++i) {
    sum.add(square);
  }
  EXPECT_EQ(sum.value(), 65536 * square);
}

TEST(ExactSum, NanAndInfinityStay) {
  EXPECT_TRUE(std::isnan(value_of({1, kNan, 1})));
  EXPECT_TRUE(std::isnan(value_of({1, -kNan, kInfinity})));
  EXPECT_TRUE(std::isnan(value_of({kInfinity, 1, -kInfinity})));
  EXPECT_EQ(value_of({kInfinity, -kMax, 1}), kInfinity);
  EXPECT_EQ(value_of({-kInfinity, kMax, -kInfinity}), -kInfinity);
}

TEST(ExactSum, NanAndInfinityOutliveReductionOverManyRanks) {
  for (const double bad : {kNan, kInfinity, -kInfinity}) {
    std::vector<ExactSum> ranks(1000, sum_of(Doubles{1, bad, bad}));
    ranks[0] = sum_of(Doubles{2});
    const double value = reduced(ranks).value();
    EXPECT_TRUE(std::isnan(bad) ? std::isnan(value) : value == bad);
  }
  EXPECT_TRUE(std::isnan(
      reduced({sum_of(Doubles{kInfinity}), sum_of(Doubles{-kInfinity})})
          .value()));
}

TEST(ExactSum, AnyOrderGivesTheSameDigits) {
  const Doubles terms = any_doubles(10000, "order");
  const Digits digits = digits_of(sum_of(terms));
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(digits_of(sum_of(shuffled(terms, name))), digits);
  }
}

TEST(ExactSum, AnyCutGivesTheSameDigits) {
  const Doubles terms = any_doubles(10000, "cut");
  const ExactSum whole = sum_of(terms);
  const RandomStream stream(9, "cut");
  for (const std::size_t parts : {2, 3, 64, 1000}) {
    std::vector<ExactSum> ranks(parts);
    for (std::size_t i = 0; i < terms.size(); ++i) {
      ranks[stream.below(parts, i)].add(terms[i]);
    }
    ExactSum merged;
    for (const ExactSum& rank : ranks) {
      merged.add(rank);
    }
    EXPECT_EQ(merged, whole);
    EXPECT_EQ(merged.value(), whole.value());
    EXPECT_EQ(digits_of(merged), digits_of(whole));
    EXPECT_EQ(reduced(ranks), whole);
  }
}

TEST(ExactSum, UnequalSumsDiffer) {
  EXPECT_FALSE(sum_of(Doubles{1e300}) == sum_of(Doubles{1e300, kLeast}));
  EXPECT_FALSE(sum_of(Doubles{1}) == sum_of(Doubles{1, kNan}));
}

// A double's digits are at most 2^32 - 1, and carries are made after 2^30
// additions. A sum added to itself is as full as so many terms make it.
TEST(ExactSum, PutOffCarriesDoNotOverflow) {
  for (const double term :
       {0x1.fffffffffffffp0, -0x1.fffffffffffffp0, kLeast}) {
    ExactSum sum = sum_of(Doubles{term});
    for (int doubling = 1; doubling <= 45; ++doubling) {
      sum.add(sum);
      ASSERT_EQ(sum.value(), std::ldexp(term, doubling));
    }
  }
}

TEST(ExactSum, MakesCarriesAmongSingleAdditions) {
  const double term = 0x1.fffffffffffffp0;
  ExactSum sum;
  sum.add(term);
  for (int doubling = 0; doubling < 29; ++doubling) {
    sum.add(sum);  // leaves some 2^30 additions pending
  }
  double expected = std::ldexp(term, 29);
  for (int i = 0; i < 1000; ++i) {
    sum.add(expected);
    sum.add(-expected);
  }
  EXPECT_EQ(sum.value(), expected);
}

// The sum of ranks whose digits are as large as they get. Digits are
// multiplied, because 2^20 ranks would take long. A sum added to itself makes
// its own carries, and is the oracle.
TEST(ExactSum, DigitsOfAMillionRanksAddUp) {
  for (const double sign : {1.0, -1.0}) {
    ExactSum sum;
    for (int exponent = 1023 - 52; exponent >= -1074; exponent -= 53) {
      sum.add(std::ldexp(sign * 0x1.fffffffffffffp52, exponent));
    }
    ExactSum expected = sum;
    for (std::int64_t& digit : sum.digits()) {
      digit *= ExactSum::kMaxRanks;
    }
    for (int doubling = 0; doubling < 20; ++doubling) {
      expected.add(expected);
    }
    EXPECT_EQ(sum, expected);
    for (ExactSum* full : {&sum, &expected}) {
      full->add(-sign * 0x1p1023);  // and there is room for more
    }
    EXPECT_EQ(sum, expected);
    EXPECT_EQ(sum.value(), sign * kInfinity);
  }
}

TEST(ExactSum, IsInfiniteForGoodWhereTheTopDigitEnds) {
  for (const double term : {kMax, -kMax}) {
    ExactSum sum = sum_of(Doubles{term});
    for (int doubling = 0; doubling < 45; ++doubling) {
      sum.add(sum);
    }
    ExactSum back = sum;
    ExactSum minus = sum_of(Doubles{-term});
    for (int doubling = 0; doubling < 45; ++doubling) {
      minus.add(minus);
    }
    back.add(minus);
    EXPECT_EQ(back.value(), 0);
    for (int doubling = 0; doubling < 100; ++doubling) {
      sum.add(sum);
    }
    sum.add(minus);
    EXPECT_EQ(sum.value(), term > 0 ? kInfinity : -kInfinity);
  }
}

}  // namespace
}  // namespace dure
