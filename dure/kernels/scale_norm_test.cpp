#include "dure/kernels/scale_norm.h"

#include <fmt/core.h>
#include <string>
#include <tuple>

#include "dure/kernels/half_testing.h"
#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

struct Size {
  std::int64_t N;
  std::int64_t C;
};

const Size kSizes[] = {
    {1, 1}, {5, 3}, {3, 16}, {7, 17}, {2, 64}, {64, 1000}, {33, 1031}};

constexpr double kEps = 1e-5;

double length(const Doubles& x, std::size_t n, std::size_t C) {
  double sum = 0;
  for (std::size_t c = 0; c < C; ++c) {
    sum += x[n * C + c] * x[n * C + c];
  }
  return std::max(std::sqrt(sum), kEps);
}

// Computes the formulas of scale_norm.h in double.
Doubles forward(const Doubles& x, double gain, Size s) {
  const auto C = static_cast<std::size_t>(s.C);
  Doubles y;
  for (std::size_t i = 0; i < x.size(); ++i) {
    y.push_back(x[i] / length(x, i / C, C) * gain);
  }
  return y;
}

struct Gradients {
  Doubles d_x;
  double d_gain = 0;
};

Gradients backward(const Doubles& d_y, const Doubles& x, double gain, Size s) {
  const auto C = static_cast<std::size_t>(s.C);
  Gradients g;
  for (std::size_t n = 0; n < x.size() / C; ++n) {
    const double norm = length(x, n, C);
    double sum = 0;
    for (std::size_t i = n * C; i < (n + 1) * C; ++i) {
      sum += d_y[i] * x[i] / norm;
    }
    g.d_gain += sum;
    const double share = norm > kEps ? sum : 0;
    for (std::size_t i = n * C; i < (n + 1) * C; ++i) {
      g.d_x.push_back(gain / norm * (d_y[i] - x[i] / norm * share));
    }
  }
  return g;
}

struct Problem {
  explicit Problem(Size s)
      : size(s),
        x(random_values(s.N * s.C, "x")),
        y(x.size()),
        inverse(static_cast<std::size_t>(s.N)),
        row_sums(inverse.size()),
        gain({3.5F}),
        d_y(random_values(s.N * s.C, "d_y")),
        d_x(x.size()),
        d_gain({0.25F}),
        residual(random_values(s.N * s.C, "residual")) {}

  ScaleNorm forward_op() {
    const auto [N, C] = size;
    return {.y = tensor(y, {N, C}),
            .inverse = tensor(inverse, {N}),
            .x = tensor(x, {N, C}),
            .gain = tensor(gain, {1}),
            .eps = static_cast<float>(kEps)};
  }
  ScaleNormBackward backward_op() {
    const auto [N, C] = size;
    return {.d_x = tensor(d_x, {N, C}),
            .d_gain = tensor(d_gain, {1}),
            .row_sums = tensor(row_sums, {N}),
            .d_y = tensor(d_y, {N, C}),
            .x = tensor(x, {N, C}),
            .gain = tensor(gain, {1}),
            .inverse = tensor(inverse, {N}),
            .eps = static_cast<float>(kEps),
            .write = Write::kOverwrite};
  }
  Gradients expected_gradients() const {
    return backward(doubles(d_y), doubles(x), gain[0], size);
  }
  std::string describe() const {
    return fmt::format("{} x {}", size.N, size.C);
  }

  Size size;
  Values x, y, inverse, row_sums, gain, d_y, d_x, d_gain, residual;
};

// A sum of n terms in four lanes or more has n / 4 + 4 roundings for each term,
// and some ten follow.
double units(std::int64_t terms) {
  return static_cast<double>(terms) / 4 + 20;
}

// Terms of d_x have the size of gain * inverse * d_y, and at C = 1 they cancel.
void expect_d_x(const Problem& p) {
  const Doubles want = p.expected_gradients().d_x;
  double largest = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto row = i / static_cast<std::size_t>(p.size.C);
    largest = std::max(largest,
                       std::abs(double{p.d_y[i]} * p.gain[0] * p.inverse[row]));
  }
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(p.d_x[i], want[i], 4 * units(p.size.C) * kUnit * largest);
  }
}

TEST(ScaleNorm, IsTheFormulaAtAnySize) {
  on_every_instruction_set([] {
    for (const Size& size : kSizes) {
      Problem p(size);
      SCOPED_TRACE(p.describe());
      launch_here(p.forward_op());
      expect_near(p.y, forward(doubles(p.x), p.gain[0], size), units(size.C));
    }
  });
}

TEST(ScaleNorm, MayWriteOverItsInput) {
  Problem p({5, 17});
  launch_here(p.forward_op());
  ScaleNorm in_place = p.forward_op();
  in_place.y = tensor(p.x, {5, 17});
  launch_here(in_place);
  EXPECT_EQ(p.x, p.y);
}

// A row of zeros stays zero, and its gradient is finite.
TEST(ScaleNorm, ARowShorterThanEpsilonIsNotScaledByItsLength) {
  Problem p({3, 20});
  std::fill_n(p.x.begin(), 20, 0.0F);
  std::fill_n(p.x.begin() + 20, 20, 1e-8F);
  launch_here(p.forward_op());
  launch_here(p.backward_op());
  EXPECT_EQ(p.y[0], 0);
  expect_near(p.y, forward(doubles(p.x), p.gain[0], p.size), units(20));
  expect_d_x(p);
}

TEST(ScaleNormBackward, ReferenceIsTheDerivative) {
  const Problem p({2, 5});
  const Doubles x = doubles(p.x);
  const Doubles d_y = doubles(p.d_y);
  const Gradients g = p.expected_gradients();
  expect_gradient(g.d_x, differences(x, [&](const Doubles& at) {
                    return inner(forward(at, p.gain[0], p.size), d_y);
                  }));
  expect_gradient({g.d_gain}, differences({p.gain[0]}, [&](const Doubles& at) {
                    return inner(forward(x, at[0], p.size), d_y);
                  }));
}

TEST(ScaleNormBackward, IsTheFormulaAtAnySize) {
  on_every_instruction_set([] {
    for (const Size& size : kSizes) {
      Problem p(size);
      SCOPED_TRACE(p.describe());
      launch_here(p.forward_op());
      launch_here(p.backward_op());
      expect_d_x(p);
      // Each row's sum has terms no larger than the longest d_y.
      double largest = 0;
      for (const double value : doubles(p.d_y)) {
        largest += value * value;
      }
      EXPECT_NEAR(p.d_gain[0],
                  p.expected_gradients().d_gain,
                  units(size.C) * kUnit * std::sqrt(largest) *
                      std::sqrt(static_cast<double>(size.N)));
    }
  });
}

TEST(ScaleNormBackward, AddsTheResidualAndToTheGradientWhereAsked) {
  Problem p({6, 20});
  launch_here(p.forward_op());
  ScaleNormBackward op = p.backward_op();
  op.write = Write::kAdd;
  op.residual = tensor(p.residual, {6, 20});
  launch_here(op);
  Gradients want = p.expected_gradients();
  for (std::size_t i = 0; i < want.d_x.size(); ++i) {
    want.d_x[i] += p.residual[i];
  }
  expect_near(p.d_gain, {want.d_gain + 0.25}, 4 * units(120));
  expect_near(p.d_x, want.d_x, 4 * units(20));
}

TEST(ScaleNorm, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    Problem p({67, 1001});
    launch_here(p.forward_op());
    launch_here(p.backward_op());
    return std::tuple(p.y, p.inverse, p.d_x, p.d_gain);
  });
}

// The operands of a ScaleNorm whose x has the residual stream's type.
std::vector<Operand> operands_of_forward(Size s, OperandType residual) {
  const Shape shape = {s.N, s.C};
  return {random_operand("y", shape),
          random_operand("inverse", {s.N}, OperandType::kF32),
          random_operand("x", shape, residual),
          random_operand("gain", {1})};
}
ScaleNorm forward_of(const Tensors& t) {
  return {.y = t[0],
          .inverse = t[1],
          .x = t[2],
          .gain = t[3],
          .eps = static_cast<float>(kEps)};
}

TEST(ScaleNorm, RoundsHalvesOnce) {
  for (const OperandType residual : kResidualTypes) {
    expect_halves_rounded_once(operands_of_forward({7, 1001}, residual),
                               forward_of);
  }
}

template <typename Half>
void expect_formula_in(Size size, OperandType residual) {
  const std::vector<Operand> operands =
      in_memory<Half>(operands_of_forward(size, residual));
  const std::vector<Values> results = results_of<Half>(operands, forward_of);
  expect_near(results[0],
              forward(doubles(operands[2].values), operands[3].values[0], size),
              units(size.C) + units_of_rounding<Half>(OperandType::kHalf));
}

TEST(ScaleNorm, IsTheFormulaInAnyTypes) {
  on_every_instruction_set([] {
    for (const Size& size : {Size{7, 17}, Size{33, 1031}}) {
      for (const OperandType residual : kResidualTypes) {
        expect_formula_in<Bf16>(size, residual);
        expect_formula_in<F16>(size, residual);
      }
    }
  });
}

std::vector<Operand> operands_of_backward(Size s,
                                          OperandType residual,
                                          OperandType sums) {
  const Shape shape = {s.N, s.C};
  return {random_operand("d_x", shape, residual),
          random_operand("d_gain", {1}, sums),
          random_operand("row_sums", {s.N}, OperandType::kF32),
          random_operand("d_y", shape),
          random_operand("x", shape, residual),
          random_operand("gain", {1}),
          random_operand("inverse", {s.N}, OperandType::kF32),
          random_operand("residual", shape, residual)};
}
ScaleNormBackward backward_of(const Tensors& t) {
  return {.d_x = t[0],
          .d_gain = t[1],
          .row_sums = t[2],
          .d_y = t[3],
          .x = t[4],
          .gain = t[5],
          .inverse = t[6],
          .residual = t[7]};
}

TEST(ScaleNormBackward, RoundsHalvesOnce) {
  for (const OperandType residual : kResidualTypes) {
    for (const OperandType sums : kSumTypes) {
      expect_halves_rounded_once(
          operands_of_backward({300, 1031}, residual, sums), backward_of);
    }
  }
}

TEST(ScaleNorm, GivesTheSameBitsOnAnyNumberOfThreadsInTwoTypes) {
  expect_same_bits_on_any_threads([] {
    return std::tuple(
        results_of<Bf16>(operands_of_forward({67, 1001}, OperandType::kF32),
                         forward_of),
        results_of<Bf16>(operands_of_backward(
                             {67, 1001}, OperandType::kF32, OperandType::kHalf),
                         backward_of));
  });
}

TEST(ScaleNorm, RefusesOperandsThatDoNotFit) {
  Problem p({4, 6});
  const auto refuses = [](auto op, auto change) {
    EXPECT_NO_THROW(check(op));
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  refuses(p.forward_op(), [&](auto& op) { op.y = tensor(p.y, {6, 4}); });
  refuses(p.forward_op(), [&](auto& op) { op.inverse = {}; });
  refuses(p.forward_op(), [&](auto& op) { op.gain = tensor(p.inverse, {4}); });
  refuses(p.backward_op(), [&](auto& op) { op.row_sums = {}; });
  refuses(p.backward_op(), [&](auto& op) { op.d_x = tensor(p.d_x, {24}); });
  refuses(p.backward_op(), [&](auto& op) { op.residual = tensor(p.x, {24}); });
}

}  // namespace
}  // namespace dure::kernels
