#include "dure/kernels/count_exponents.h"

#include <cmath>
#include <limits>
#include <map>

#include "dure/kernels/half_testing.h"

namespace dure::kernels {
namespace {

using Counts = std::vector<std::int64_t>;

Counts counts_of(const std::vector<ConstTensor>& spans, float scale = 1) {
  Counts counts(CountExponents::kCounts);
  launch_here(
      CountExponents{.counts = Tensor(counts.data(), {CountExponents::kCounts}),
                     .scale = ConstTensor(&scale, {1}),
                     .spans = spans});
  return counts;
}

std::int64_t sum(const Counts& counts) {
  std::int64_t sum = 0;
  for (const std::int64_t count : counts) {
    sum += count;
  }
  return sum;
}

std::int64_t of_exponent(const Counts& counts, int exponent) {
  return counts[static_cast<std::size_t>(CountExponents::below(exponent))] +
         counts[static_cast<std::size_t>(CountExponents::not_below(exponent))];
}

// By the C library: the exponent of |x|, and whether its significand is below
// the scale's.
Counts counts_by_the_library(const Values& values, float scale = 1) {
  Counts counts(CountExponents::kCounts);
  const double m = std::scalbn(scale, -std::ilogb(scale));
  for (const float value : values) {
    std::int64_t place = CountExponents::kNonfinite;
    if (value == 0) {
      place = CountExponents::kZeros;
    } else if (std::isfinite(value)) {
      const double x = std::fabs(value);
      const int e = std::ilogb(x);
      place = std::scalbn(x, -e) < m ? CountExponents::below(e)
                                     : CountExponents::not_below(e);
    }
    ++counts[static_cast<std::size_t>(place)];
  }
  return counts;
}

// Every 16-bit pattern is a number of the type.
template <typename Half>
void expect_all_halves_counted(float scale) {
  std::vector<Half> halves;
  Values wide;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    halves.push_back(Half{static_cast<std::uint16_t>(bits)});
    wide.push_back(to_float(halves.back()));
  }
  EXPECT_EQ(counts_of({{halves.data(), {0x10000}}}, scale),
            counts_by_the_library(wide, scale));
}

TEST(CountExponents, CountsEveryNumberOf16Bits) {
  for (const float scale : {1.0F, 1000.0F, 0x1p-24F}) {
    SCOPED_TRACE(scale);
    expect_all_halves_counted<Bf16>(scale);
    expect_all_halves_counted<F16>(scale);
  }
}

// Returns of every exponent the least float, the greatest and one between.
Values floats_of_every_exponent() {
  Values values;
  for (int e = CountExponents::kFirst; e <= CountExponents::kLast; ++e) {
    const float least = std::ldexp(1.0F, e);
    const float next = e < CountExponents::kLast
                           ? std::ldexp(1.0F, e + 1)
                           : std::numeric_limits<float>::infinity();
    values.push_back(least);
    values.push_back(-std::nextafter(next, 0.0F));
    values.push_back(static_cast<float>(1.5 * least));
  }
  return values;
}

TEST(CountExponents, CountsFloatsOfEveryExponentEvenSubnormalOnes) {
  const Values x = floats_of_every_exponent();
  const Counts counts = counts_of({tensor(x, {std::ssize(x)})});
  EXPECT_EQ(counts, counts_by_the_library(x));
  // 1.5 times the least float is rounded to twice of it.
  EXPECT_EQ(of_exponent(counts, CountExponents::kFirst), 2);
  EXPECT_EQ(of_exponent(counts, CountExponents::kFirst + 1), 4);
  for (int e = CountExponents::kFirst + 2; e <= CountExponents::kLast; ++e) {
    EXPECT_EQ(of_exponent(counts, e), 3) << e;
    // No significand is below that of a power of two.
    EXPECT_EQ(counts[static_cast<std::size_t>(CountExponents::below(e))], 0);
  }
}

TEST(CountExponents, PutsZerosAndWhatIsNotFiniteApart) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Values x = {0.0F, -0.0F, infinity, -infinity, nan, -nan, 1.0F};
  const Counts counts = counts_of({tensor(x, {7})});
  EXPECT_EQ(counts[CountExponents::kZeros], 2);
  EXPECT_EQ(counts[CountExponents::kNonfinite], 4);
  EXPECT_EQ(of_exponent(counts, 0), 1);
  EXPECT_EQ(sum(counts), 7);
}

// The two counts of an exponent give the histogram of x / scale, which a
// division in double finds: a quotient of two floats that is no power of two is
// a share of 2^-25 or more away from one, so rounding keeps its exponent.
TEST(CountExponents, GivesTheExponentsWithoutTheScale) {
  const Values x = random_values(20000, "unscaled");
  for (const float scale : {1.0F, 1024.0F, 1000.0F, 3.0F, 0.7F, 0x1p-140F}) {
    SCOPED_TRACE(scale);
    const int k = std::ilogb(scale);
    const Counts counts = counts_of({tensor(x, {20000})}, scale);
    std::map<int, std::int64_t> found;
    for (int e = CountExponents::kFirst; e <= CountExponents::kLast; ++e) {
      const auto at = [&](std::int64_t place) {
        return counts[static_cast<std::size_t>(place)];
      };
      found[e - k] += at(CountExponents::not_below(e));
      found[e - k - 1] += at(CountExponents::below(e));
    }
    std::map<int, std::int64_t> expected;
    for (const float value : x) {
      ++expected[std::ilogb(static_cast<double>(value) / scale)];
    }
    std::erase_if(found, [](const auto& one) { return one.second == 0; });
    EXPECT_EQ(found, expected);
  }
}

TEST(CountExponents, AddsUpAllSpansAndCalls) {
  const Values x = random_values(1000, "spans");
  const std::vector<ConstTensor> parts = {
      {x.data(), {1}}, {x.data() + 1, {0}}, {x.data() + 1, {999}}};
  EXPECT_EQ(counts_of(parts), counts_of({tensor(x, {1000})}));
  Counts counts(CountExponents::kCounts, 5);
  const float scale = 1;
  launch_here(
      CountExponents{.counts = Tensor(counts.data(), {CountExponents::kCounts}),
                     .scale = ConstTensor(&scale, {1}),
                     .spans = parts});
  EXPECT_EQ(sum(counts), 1000 + 5 * CountExponents::kCounts);
}

TEST(CountExponents, GivesTheSameCountsOnAnyNumberOfThreads) {
  const Values x = random_values(200000, "long");
  const Values y = random_values(77777, "also", 1e-6);
  expect_same_bits_on_any_threads([&] {
    return counts_of({tensor(x, {200000}), tensor(y, {77777})}, 1000);
  });
}

TEST(CountExponents, MovesTheSimulatorsClock) {
  const Values x = random_values(1000, "simulated");
  const std::vector<ConstTensor> spans = {tensor(x, {1000})};
  Counts counts(CountExponents::kCounts);
  const float scale = 1;
  launch_on_simulator(
      CountExponents{.counts = Tensor(counts.data(), {CountExponents::kCounts}),
                     .scale = ConstTensor(&scale, {1}),
                     .spans = spans});
  EXPECT_EQ(sum(counts), 0);
}

TEST(CountExponents, RefusesWhatItCannotCount) {
  Counts counts(CountExponents::kCounts);
  const Tensor all(counts.data(), {CountExponents::kCounts});
  const float scale = 1;
  const std::vector<ConstTensor> none;
  const std::vector<ConstTensor> whole = {all};
  const ConstTensor one(&scale, {1});
  EXPECT_THROW(check(CountExponents{
                   .counts = all.rows(0, 3), .scale = one, .spans = none}),
               Error);
  EXPECT_THROW(check(CountExponents{.counts = all, .scale = {}, .spans = none}),
               Error);
  EXPECT_THROW(
      check(CountExponents{.counts = all, .scale = one, .spans = whole}),
      Error);
}

}  // namespace
}  // namespace dure::kernels
