#include "dure/kernels/rms_norm.h"

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

// Computes the formulas of rms_norm.h in double.
struct Reference {
  Doubles y, rstd;
};

Reference forward(const Doubles& x, const Doubles& gain) {
  const std::size_t C = gain.size();
  Reference r;
  for (std::size_t first = 0; first < x.size(); first += C) {
    double mean_square = 0;
    for (std::size_t c = 0; c < C; ++c) {
      mean_square += x[first + c] * x[first + c] / static_cast<double>(C);
    }
    r.rstd.push_back(1 / std::sqrt(mean_square + kEps));
    for (std::size_t c = 0; c < C; ++c) {
      r.y.push_back(x[first + c] * r.rstd.back() * gain[c]);
    }
  }
  return r;
}

struct Gradients {
  Doubles d_x, d_gain;
};

Gradients backward(const Doubles& d_y, const Doubles& x, const Doubles& gain) {
  const std::size_t C = gain.size();
  const Reference r = forward(x, gain);
  Gradients g = {Doubles(x.size()), Doubles(C)};
  for (std::size_t n = 0; n < r.rstd.size(); ++n) {
    double mean = 0;
    for (std::size_t c = 0; c < C; ++c) {
      const double normal = x[n * C + c] * r.rstd[n];
      mean += d_y[n * C + c] * gain[c] * normal / static_cast<double>(C);
      g.d_gain[c] += d_y[n * C + c] * normal;
    }
    for (std::size_t c = 0; c < C; ++c) {
      const std::size_t i = n * C + c;
      g.d_x[i] = r.rstd[n] * (d_y[i] * gain[c] - x[i] * r.rstd[n] * mean);
    }
  }
  return g;
}

struct Problem {
  explicit Problem(Size s)
      : size(s),
        x(random_values(s.N * s.C, "x", 2, 0.5)),
        y(x.size()),
        rstd(static_cast<std::size_t>(s.N)),
        gain(random_values(s.C, "gain", 0.2, 1)),
        d_y(random_values(s.N * s.C, "d_y")),
        d_x(x.size()),
        d_gain(random_values(s.C, "d_gain")),
        residual(random_values(s.N * s.C, "residual")) {}

  RmsNorm forward_op() {
    const auto [N, C] = size;
    return {.y = tensor(y, {N, C}),
            .rstd = tensor(rstd, {N}),
            .x = tensor(x, {N, C}),
            .gain = tensor(gain, {C}),
            .eps = static_cast<float>(kEps)};
  }
  RmsNormBackward backward_op() {
    const auto [N, C] = size;
    return {.d_x = tensor(d_x, {N, C}),
            .d_gain = tensor(d_gain, {C}),
            .d_y = tensor(d_y, {N, C}),
            .x = tensor(x, {N, C}),
            .gain = tensor(gain, {C}),
            .rstd = tensor(rstd, {N}),
            .write = Write::kOverwrite};
  }
  Gradients expected_gradients() const {
    return backward(doubles(d_y), doubles(x), doubles(gain));
  }
  std::string describe() const {
    return fmt::format("{} x {}", size.N, size.C);
  }

  Size size;
  Values x, y, rstd, gain, d_y, d_x, d_gain, residual;
};

// A sum of n terms in four lanes or more has n / 4 + 4 roundings for each term,
// and some ten follow.
double units(std::int64_t terms) {
  return static_cast<double>(terms) / 4 + 20;
}

TEST(RmsNorm, IsTheFormulaAtAnySize) {
  on_every_instruction_set([] {
    for (const Size& size : kSizes) {
      Problem p(size);
      SCOPED_TRACE(p.describe());
      launch_here(p.forward_op());
      const Reference want = forward(doubles(p.x), doubles(p.gain));
      expect_near(p.y, want.y, units(size.C));
      expect_near(p.rstd, want.rstd, units(size.C));
    }
  });
}

TEST(RmsNorm, MayWriteOverItsInput) {
  Problem p({5, 17});
  launch_here(p.forward_op());
  RmsNorm in_place = p.forward_op();
  in_place.y = tensor(p.x, {5, 17});
  launch_here(in_place);
  EXPECT_EQ(p.x, p.y);
}

TEST(RmsNormBackward, ReferenceIsTheDerivative) {
  const Problem p({2, 5});
  const Doubles x = doubles(p.x);
  const Doubles gain = doubles(p.gain);
  const Doubles d_y = doubles(p.d_y);
  const Gradients g = p.expected_gradients();
  expect_gradient(g.d_x, differences(x, [&](const Doubles& at) {
                    return inner(forward(at, gain).y, d_y);
                  }));
  expect_gradient(g.d_gain, differences(gain, [&](const Doubles& at) {
                    return inner(forward(x, at).y, d_y);
                  }));
}

// Terms of d_x have the size of rstd * d_y * gain, and at C = 1 they cancel.
void expect_d_x(const Values& d_x, const Doubles& want, const Problem& p) {
  double largest = 0;
  for (std::size_t i = 0; i < d_x.size(); ++i) {
    const auto row = i / p.gain.size();
    largest = std::max(largest, std::abs(double{p.d_y[i]} * p.rstd[row]));
  }
  for (std::size_t i = 0; i < d_x.size(); ++i) {
    ASSERT_NEAR(d_x[i], want[i], 4 * units(p.size.C) * kUnit * largest);
  }
}

TEST(RmsNormBackward, IsTheFormulaAtAnySize) {
  on_every_instruction_set([] {
    for (const Size& size : kSizes) {
      Problem p(size);
      SCOPED_TRACE(p.describe());
      launch_here(p.forward_op());
      launch_here(p.backward_op());
      const Gradients want = p.expected_gradients();
      expect_d_x(p.d_x, want.d_x, p);
      expect_near(p.d_gain, want.d_gain, 2 * units(size.C) + units(4 * size.N));
    }
  });
}

TEST(RmsNormBackward, AddsTheResidualAndToTheGradientWhereAsked) {
  Problem p({6, 20});
  const Doubles before = doubles(p.d_gain);
  launch_here(p.forward_op());
  RmsNormBackward op = p.backward_op();
  op.write = Write::kAdd;
  op.residual = tensor(p.residual, {6, 20});
  launch_here(op);
  Gradients want = p.expected_gradients();
  for (std::size_t c = 0; c < 20; ++c) {
    want.d_gain[c] += before[c];
  }
  for (std::size_t i = 0; i < want.d_x.size(); ++i) {
    want.d_x[i] += p.residual[i];
  }
  expect_near(p.d_gain, want.d_gain, 4 * units(20));
  expect_near(p.d_x, want.d_x, 4 * units(20));
}

TEST(RmsNormBackward, MayWriteOverDYOrTheResidual) {
  Problem p({6, 20});
  launch_here(p.forward_op());
  RmsNormBackward op = p.backward_op();
  op.residual = tensor(p.residual, {6, 20});
  launch_here(op);
  const Values d_gain = p.d_gain;

  Values residual = p.residual;
  op.residual = op.d_x = tensor(residual, {6, 20});
  launch_here(op);
  EXPECT_EQ(residual, p.d_x);

  op.residual = tensor(p.residual, {6, 20});
  op.d_x = tensor(p.d_y, {6, 20});
  launch_here(op);
  EXPECT_EQ(p.d_y, p.d_x);
  EXPECT_EQ(p.d_gain, d_gain);
}

TEST(RmsNorm, ABiasShiftsAndItsGradientIsASum) {
  const Size size = {7, 1031};
  Problem p(size);
  const Values bias = random_values(size.C, "bias");
  launch_here(p.forward_op());
  launch_here(p.backward_op());
  Problem with(size);
  Values d_bias(bias.size());
  RmsNorm op = with.forward_op();
  op.bias = tensor(bias, {size.C});
  RmsNormBackward backward_op = with.backward_op();
  backward_op.d_bias = tensor(d_bias, {size.C});
  launch_here(op);
  launch_here(backward_op);
  EXPECT_EQ(with.d_x, p.d_x);
  EXPECT_EQ(with.d_gain, p.d_gain);
  Doubles y = forward(doubles(p.x), doubles(p.gain)).y;
  Doubles sums(bias.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] += bias[i % bias.size()];
    sums[i % bias.size()] += p.d_y[i];
  }
  expect_near(with.y, y, units(size.C));
  expect_near(d_bias, sums, units(size.N));
}

TEST(RmsNorm, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    Problem p({67, 1001});
    launch_here(p.forward_op());
    launch_here(p.backward_op());
    return std::tuple(p.y, p.rstd, p.d_x, p.d_gain);
  });
}

// The operands of an RmsNorm whose x has the residual stream's type.
std::vector<Operand> operands_of_forward(Size s, OperandType residual) {
  const Shape shape = {s.N, s.C};
  return {random_operand("y", shape),
          random_operand("rstd", {s.N}, OperandType::kF32),
          random_operand("x", shape, residual),
          random_operand("gain", {s.C})};
}
RmsNorm forward_of(const Tensors& t) {
  return {.y = t[0],
          .rstd = t[1],
          .x = t[2],
          .gain = t[3],
          .eps = static_cast<float>(kEps)};
}

TEST(RmsNorm, RoundsHalvesOnce) {
  for (const OperandType residual : kResidualTypes) {
    auto operands = operands_of_forward({7, 1001}, residual);
    expect_halves_rounded_once(operands, forward_of);
    operands.push_back(random_operand("bias", {1001}));
    expect_halves_rounded_once(operands, [](const Tensors& t) {
      RmsNorm op = forward_of(t);
      op.bias = t[4];
      return op;
    });
  }
}

template <typename Half>
void expect_formula_in(Size size, OperandType residual) {
  const std::vector<Operand> operands =
      in_memory<Half>(operands_of_forward(size, residual));
  const std::vector<Values> results = results_of<Half>(operands, forward_of);
  const Reference want =
      forward(doubles(operands[2].values), doubles(operands[3].values));
  expect_near(results[0],
              want.y,
              units(size.C) + units_of_rounding<Half>(OperandType::kHalf));
  expect_near(results[1], want.rstd, units(size.C));
}

TEST(RmsNorm, IsTheFormulaInAnyTypes) {
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
          random_operand("d_gain", {s.C}, sums),
          random_operand("d_bias", {s.C}, sums),
          random_operand("d_y", shape),
          random_operand("x", shape, residual),
          random_operand("gain", {s.C}),
          random_operand("rstd", {s.N}, OperandType::kF32),
          random_operand("residual", shape, residual)};
}
RmsNormBackward backward_of(const Tensors& t) {
  return {.d_x = t[0],
          .d_gain = t[1],
          .d_bias = t[2],
          .d_y = t[3],
          .x = t[4],
          .gain = t[5],
          .rstd = t[6],
          .residual = t[7]};
}

// The rows fill several blocks, the columns several tiles: sums are rounded
// once.
TEST(RmsNormBackward, RoundsHalvesOnce) {
  for (const OperandType residual : kResidualTypes) {
    for (const OperandType sums : kSumTypes) {
      expect_halves_rounded_once(
          operands_of_backward({300, 1031}, residual, sums), backward_of);
    }
  }
}

template <typename Half>
void expect_gradients_in(Size size, OperandType residual, OperandType sums) {
  std::vector<Operand> operands =
      in_memory<Half>(operands_of_backward(size, residual, sums));
  const auto in_double = [&](std::size_t i) {
    return doubles(operands[i].values);
  };
  const Doubles rstd = forward(in_double(4), in_double(5)).rstd;
  operands[6].values = Values(rstd.begin(), rstd.end());
  const std::vector<Values> results = results_of<Half>(operands, backward_of);
  Gradients want = backward(in_double(3), in_double(4), in_double(5));
  for (std::size_t i = 0; i < want.d_x.size(); ++i) {
    want.d_x[i] += operands[7].values[i];
  }
  for (std::size_t c = 0; c < want.d_gain.size(); ++c) {
    want.d_gain[c] += operands[1].values[c];
  }
  expect_near(results[0],
              want.d_x,
              4 * units(size.C) + units_of_rounding<Half>(residual));
  expect_near(
      results[1],
      want.d_gain,
      2 * units(size.C) + units(4 * size.N) + units_of_rounding<Half>(sums));
}

TEST(RmsNormBackward, IsTheFormulaInAnyTypes) {
  on_every_instruction_set([] {
    for (const OperandType residual : kResidualTypes) {
      for (const OperandType sums : kSumTypes) {
        expect_gradients_in<Bf16>({33, 1031}, residual, sums);
        expect_gradients_in<F16>({33, 1031}, residual, sums);
      }
    }
  });
}

TEST(RmsNorm, GivesTheSameBitsOnAnyNumberOfThreadsInTwoTypes) {
  expect_same_bits_on_any_threads([] {
    return std::tuple(
        results_of<Bf16>(operands_of_forward({67, 1001}, OperandType::kF32),
                         forward_of),
        results_of<Bf16>(operands_of_backward(
                             {67, 1001}, OperandType::kF32, OperandType::kHalf),
                         backward_of));
  });
}

TEST(RmsNorm, RefusesOperandsThatDoNotFit) {
  Problem p({4, 6});
  const auto refuses = [](auto op, auto change) {
    EXPECT_NO_THROW(check(op));
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  refuses(p.forward_op(), [&](auto& op) { op.y = tensor(p.y, {6, 4}); });
  refuses(p.forward_op(), [&](auto& op) { op.x = tensor(p.x, {24}); });
  refuses(p.forward_op(), [&](auto& op) { op.rstd = {}; });
  refuses(p.forward_op(), [&](auto& op) { op.gain = tensor(p.rstd, {4}); });
  refuses(p.backward_op(), [&](auto& op) { op.d_x = tensor(p.x, {6, 4}); });
  refuses(p.backward_op(), [&](auto& op) { op.d_y = {}; });
  refuses(p.backward_op(), [&](auto& op) { op.d_gain = {}; });
  refuses(p.backward_op(), [&](auto& op) { op.rstd = {}; });
  refuses(p.backward_op(), [&](auto& op) {
    op.residual = tensor(p.x, {6, 4});
  });
}

TEST(RmsNorm, TakesTimeOnTheSimulatorAndTouchesNothing) {
  Problem p({4, 6});
  const Problem before = p;
  launch_on_simulator(p.forward_op());
  launch_on_simulator(p.backward_op());
  EXPECT_EQ(p.y, before.y);
  EXPECT_EQ(p.d_x, before.d_x);
  EXPECT_EQ(p.d_gain, before.d_gain);
}

}  // namespace
}  // namespace dure::kernels
