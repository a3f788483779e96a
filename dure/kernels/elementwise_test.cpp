#include "dure/kernels/elementwise.h"

#include <vector>

#include "dure/kernels/half_testing.h"
#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

TEST(Fill, FillsEverySize) {
  for (const std::int64_t n : {1, 17, 100003}) {
    Values y(static_cast<std::size_t>(n), 1.0F);
    launch_here(Fill{.y = tensor(y, {n}), .value = 2.5F});
    EXPECT_EQ(y, Values(static_cast<std::size_t>(n), 2.5F));
  }
}

TEST(Copy, CopiesEverySize) {
  for (const std::int64_t n : {1, 17, 100003}) {
    Values x = random_values(static_cast<std::size_t>(n), "x");
    Values y(x.size(), 1.0F);
    launch_here(Copy{.y = tensor(y, {n}), .x = tensor(x, {n})});
    EXPECT_EQ(y, x);
  }
}

TEST(Add, AddsAndMayWriteOverAnOperand) {
  Values a = random_values(100003, "a");
  const Values b = random_values(100003, "b");
  Values want(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    want[i] = a[i] + b[i];
  }
  const Tensor a_view = tensor(a, {100003});
  launch_here(Add{.y = a_view, .a = a_view, .b = tensor(b, {100003})});
  EXPECT_EQ(a, want);
}

// The matrix is 70 x 1001, and 60 rows of it are filled. Any block holds the
// same values as the whole at its place.
TEST(FillNormal, DrawsByTheGlobalIndex) {
  constexpr std::int64_t kRows = 70;
  constexpr std::int64_t kColumns = 1001;
  const RandomStream stream(5, "weight");
  const auto block = [&](std::int64_t first_row,
                         std::int64_t rows,
                         std::int64_t first_column,
                         std::int64_t columns) {
    Values y(static_cast<std::size_t>(rows * columns), 9.0F);
    launch_here(FillNormal{.y = tensor(y, {rows, columns}),
                           .stream = stream,
                           .standard_deviation = 0.02F,
                           .first_row = first_row,
                           .first_column = first_column,
                           .columns = kColumns,
                           .filled_rows = 60});
    return y;
  };
  const Values whole = block(0, kRows, 0, kColumns);
  EXPECT_EQ(whole[1002], 0.02F * stream.normal(1002));
  EXPECT_EQ(whole[60 * kColumns], 0);
  const Values part = block(55, 10, 500, 501);
  for (std::int64_t n = 0; n < 10; ++n) {
    for (std::int64_t c = 0; c < 501; ++c) {
      ASSERT_EQ(part[static_cast<std::size_t>(n * 501 + c)],
                whole[static_cast<std::size_t>((55 + n) * kColumns + 500 + c)]);
    }
  }
}

TEST(FillNormal, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    Values y(300 * 200);
    launch_here(FillNormal{.y = tensor(y, {300, 200}),
                           .stream = RandomStream(1, "x"),
                           .columns = 200,
                           .filled_rows = 300});
    return y;
  });
}

TEST(Elementwise, RoundsHalvesOnce) {
  const Shape shape = {7, 1001};
  const Operand y = random_operand("y", shape);
  expect_halves_rounded_once(
      {y}, [](const Tensors& t) { return Fill{.y = t[0], .value = 0.1F}; });
  expect_halves_rounded_once({y}, [](const Tensors& t) {
    return FillNormal{.y = t[0],
                      .stream = RandomStream(5, "weight"),
                      .standard_deviation = 0.02F,
                      .first_column = 3,
                      .columns = 1013,
                      .filled_rows = 5};
  });
}

inline constexpr OperandType kTypes[] = {OperandType::kHalf, OperandType::kF32};

TEST(Copy, RoundsHalvesOnce) {
  for (const OperandType y : kTypes) {
    for (const OperandType x : kTypes) {
      expect_halves_rounded_once(
          {random_operand("y", {7, 1001}, y),
           random_operand("x", {7, 1001}, x)},
          [](const Tensors& t) { return Copy{.y = t[0], .x = t[1]}; });
    }
  }
}

// A cast is exact where the other type has the number, and rounds once.
TEST(Copy, CastsBetweenAnyTwoTypes) {
  on_every_instruction_set([] {
    const Operand x = random_operand("x", {40003});
    const Rounded<Bf16> exact(x);
    Rounded<Bf16> bf16(x);
    Rounded<F16> f16({.values = Values(40003), .shape = {40003}});
    launch_here(Copy{.y = f16.tensor(), .x = bf16.tensor()});
    EXPECT_EQ(
        f16.values(),
        Rounded<F16>({.values = exact.values(), .shape = {40003}}).values());
    launch_here(Copy{.y = bf16.tensor(), .x = f16.tensor()});
    EXPECT_EQ(
        bf16.values(),
        Rounded<Bf16>({.values = f16.values(), .shape = {40003}}).values());
  });
}

TEST(Add, RoundsHalvesOnce) {
  for (const OperandType y : kTypes) {
    for (const OperandType b : kTypes) {
      const std::vector<Operand> operands = {random_operand("a", {40003}, y),
                                             random_operand("b", {40003}, b),
                                             random_operand("y", {40003}, y)};
      expect_halves_rounded_once(operands, [](const Tensors& t) {
        return Add{.y = t[2], .a = t[0], .b = t[1]};
      });
      expect_halves_rounded_once(operands, [](const Tensors& t) {
        return Add{.y = t[0], .a = t[0], .b = t[1]};
      });
    }
  }
}

TEST(Elementwise, RefusesOperandsThatDoNotFit) {
  Values y(6);
  const Tensor six = tensor(y, {6});
  EXPECT_THROW(check(Add{.y = six, .a = six, .b = six.rows(0, 5)}), Error);
  const auto as = [&](DType dtype) { return Tensor(y.data(), {6}, dtype); };
  EXPECT_THROW(check(Add{.y = six, .a = as(DType::kBf16), .b = six}), Error);
  EXPECT_THROW(
      check(Add{
          .y = as(DType::kBf16), .a = as(DType::kBf16), .b = as(DType::kF16)}),
      Error);
  EXPECT_THROW(check(Copy{.y = six, .x = as(DType::kI32)}), Error);
  EXPECT_THROW(check(Fill{.y = {y.data(), {6}, DType::kI32}}), Error);
  const FillNormal op = {.y = six.reshaped({2, 3}), .columns = 3};
  EXPECT_NO_THROW(check(op));
  FillNormal beyond = op;
  beyond.first_column = 1;
  EXPECT_THROW(check(beyond), Error);
}

TEST(Elementwise, TakesTimeOnTheSimulatorAndTouchesNothing) {
  Values y(6, 1.0F);
  const Tensor six = tensor(y, {6});
  launch_on_simulator(Fill{.y = six});
  launch_on_simulator(Add{.y = six, .a = six, .b = six});
  launch_on_simulator(FillNormal{.y = six.reshaped({2, 3}), .columns = 3});
  EXPECT_EQ(y, Values(6, 1.0F));
}

}  // namespace
}  // namespace dure::kernels
