#include "dure/kernels/exact_sum.h"

#include <array>
#include <cmath>
#include <limits>

#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

constexpr auto kDigits = std::int64_t{ExactSum::kDigits};
using Digits = std::array<std::int64_t, ExactSum::kDigits>;

Tensor tensor_of(Digits& digits) {
  return {digits.data(), Shape{kDigits}};
}

void add(Digits& digits, const Values& x) {
  launch_here(
      AddToExactSum{.sum = tensor_of(digits),
                    .x = tensor(x, {static_cast<std::int64_t>(x.size())})});
}

ExactSum sum_of(const Values& x) {
  ExactSum sum;
  for (const float value : x) {
    sum.add(value);
  }
  return sum;
}

TEST(AddToExactSum, IsTheHostsSum) {
  const Values x = random_values(1000, "x");
  Digits digits = {};
  add(digits, x);
  EXPECT_EQ(ExactSum(digits), sum_of(x));
  EXPECT_EQ(ExactSum(digits).value(), sum_of(x).value());
}

// The terms cancel. They are added in runs of any length, empty ones among
// them.
TEST(AddToExactSum, HasTheSameDigitsHoweverTermsAreSharedOut) {
  Values x = random_values(999, "x", 1e30);
  x.push_back(1e-38F);
  for (std::size_t i = 0; i < 999; ++i) {
    x.push_back(-x[i]);
  }
  Digits whole = {};
  add(whole, x);
  Digits parts = {};
  for (auto from = x.begin(); from != x.end();) {
    const auto count =
        std::min<std::ptrdiff_t>((from - x.begin()) % 7, x.end() - from);
    add(parts, {from, from + count});
    const auto one = std::min<std::ptrdiff_t>(1, x.end() - from - count);
    add(parts, {from + count, from + count + one});
    from += count + one;
  }
  EXPECT_EQ(parts, whole);
  EXPECT_EQ(ExactSum(parts).value(), 1e-38F);
}

// Every digit but the highest is in 0 to 2^32 - 1.
TEST(AddToExactSum, LeavesNoCarryToMake) {
  Digits digits = {};
  for (int i = 0; i < 100; ++i) {
    add(digits, Values(50, -std::numeric_limits<float>::max()));
  }
  for (std::size_t i = 0; i < 66; ++i) {
    EXPECT_GE(digits[i], 0);
    EXPECT_LT(digits[i], std::int64_t{1} << 32);
  }
  EXPECT_EQ(ExactSum(digits).value(),
            -5000 * double{std::numeric_limits<float>::max()});
}

TEST(AddToExactSum, RemembersWhatIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  Digits digits = {};
  for (int i = 0; i < 3; ++i) {
    add(digits, {infinity, 1});
    EXPECT_EQ(ExactSum(digits).value(), infinity);
  }
  add(digits, {-infinity});
  EXPECT_TRUE(std::isnan(ExactSum(digits).value()));
}

TEST(AddToExactSum, RefusesOperandsThatDoNotFit) {
  Digits digits = {};
  Values x(4);
  const AddToExactSum good = {.sum = tensor_of(digits), .x = tensor(x, {4})};
  EXPECT_NO_THROW(check(good));
  const auto refuses = [&](auto change) {
    AddToExactSum op = good;
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  refuses([](auto& op) { op.sum = op.sum.rows(0, 69); });
  refuses([&](auto& op) { op.sum = tensor(x, {4}); });
  refuses([](auto& op) { op.x = op.x.reshaped({2, 2}); });
  refuses([](auto& op) { op.x = op.sum; });
}

TEST(AddToExactSum, TakesTimeOnTheSimulatorAndTouchesNothing) {
  Digits digits = {};
  const Values x(6, 1.0F);
  launch_on_simulator(
      AddToExactSum{.sum = tensor_of(digits), .x = tensor(x, {6})});
  EXPECT_EQ(digits, Digits());
}

}  // namespace
}  // namespace dure::kernels
