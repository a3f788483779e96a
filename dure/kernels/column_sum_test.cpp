#include <fmt/core.h>

#include <gtest/gtest.h>

#include "dure/kernels/half_testing.h"
#include "dure/kernels/matmul.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

struct Case {
  std::int64_t N;
  std::int64_t C;
};

// A sum of n terms in any order is off by at most (n - 1) unit roundoffs, to
// first order, of the sum of their absolute values; n covers the rest.
std::vector<Expected> column_sums(const Values& x, const Values& y, Case size) {
  std::vector<Expected> sums;
  for (std::int64_t c = 0; c < size.C; ++c) {
    double sum = y.empty() ? 0 : double{y[static_cast<std::size_t>(c)]};
    double magnitude = std::abs(sum);
    for (std::int64_t n = 0; n < size.N; ++n) {
      const double term = x[static_cast<std::size_t>(n * size.C + c)];
      sum += term;
      magnitude += std::abs(term);
    }
    sums.push_back({sum, static_cast<double>(size.N + 1) * kUnit * magnitude});
  }
  return sums;
}

const Case kCases[] = {
    {1, 1}, {3, 17}, {100, 15}, {7, 64}, {33, 131}, {513, 300}, {1, 1000}};

TEST(ColumnSum, SumsEachColumn) {
  for (const Case& size : kCases) {
    SCOPED_TRACE(fmt::format("N {}, C {}", size.N, size.C));
    const Values x = random_values(size.N * size.C, "x");
    Values y = random_values(size.C, "y");
    launch_here(
        ColumnSum{.y = tensor(y, {size.C}), .x = tensor(x, {size.N, size.C})});
    expect_near(y, column_sums(x, {}, size));
  }
}

TEST(ColumnSum, AddsToY) {
  for (const Case& size : kCases) {
    SCOPED_TRACE(fmt::format("N {}, C {}", size.N, size.C));
    const Values x = random_values(size.N * size.C, "x");
    Values y = random_values(size.C, "y");
    const std::vector<Expected> want = column_sums(x, y, size);
    launch_here(ColumnSum{.y = tensor(y, {size.C}),
                          .x = tensor(x, {size.N, size.C}),
                          .write = Write::kAdd});
    expect_near(y, want);
  }
}

TEST(ColumnSum, OfNoRowsIsZeroOrNothingAdded) {
  const Values x;
  Values y = {1, 2, 3};
  ColumnSum op{
      .y = tensor(y, {3}), .x = {x.data(), {0, 3}}, .write = Write::kAdd};
  launch_here(op);
  EXPECT_EQ(y, Values({1, 2, 3}));
  op.write = Write::kOverwrite;
  launch_here(op);
  EXPECT_EQ(y, Values(3));
}

TEST(ColumnSum, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Values x = random_values(257 * 1003, "x");
  expect_same_bits_on_any_threads([&] {
    Values y(1003);
    launch_here(ColumnSum{.y = tensor(y, {1003}), .x = tensor(x, {257, 1003})});
    return y;
  });
}

TEST(ColumnSum, RoundsHalvesOnce) {
  for (const OperandType sums : kSumTypes) {
    for (const Write write : {Write::kOverwrite, Write::kAdd}) {
      expect_halves_rounded_once(
          {random_operand("y", {131}, sums), random_operand("x", {500, 131})},
          [&](const Tensors& t) {
            return ColumnSum{.y = t[0], .x = t[1], .write = write};
          });
    }
  }
}

TEST(ColumnSum, RefusesAnotherWidth) {
  const Values x(12);
  Values y(4);
  EXPECT_THROW(check(ColumnSum{.y = tensor(y, {4}), .x = tensor(x, {4, 3})}),
               Error);
  EXPECT_THROW(check(ColumnSum{.y = tensor(y, {4}), .x = tensor(x, {12})}),
               Error);
}

TEST(ColumnSum, RefusesBf16BesideF16) {
  const std::vector<Bf16> x(12);
  std::vector<F16> y(4);
  EXPECT_THROW(check(ColumnSum{.y = Tensor(y.data(), {4}),
                               .x = ConstTensor(x.data(), {3, 4})}),
               Error);
}

TEST(ColumnSum, TakesTimeOnTheSimulatorAndTouchesNothing) {
  const Values x(12, 1.0F);
  Values y(4);
  launch_on_simulator(ColumnSum{.y = tensor(y, {4}), .x = tensor(x, {3, 4})});
  EXPECT_EQ(y, Values(4));
}

}  // namespace
}  // namespace dure::kernels
