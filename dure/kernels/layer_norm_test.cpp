#include "dure/kernels/layer_norm.h"

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

// Computes the formulas of layer_norm.h in double.
struct Reference {
  Doubles y, mean, rstd;
};

Reference forward(const Doubles& x,
                  const Doubles& gain,
                  const Doubles& bias,
                  Size s) {
  const auto C = static_cast<std::size_t>(s.C);
  Reference r;
  for (std::size_t first = 0; first < x.size(); first += C) {
    double mean = 0;
    double variance = 0;
    for (std::size_t c = 0; c < C; ++c) {
      mean += x[first + c] / static_cast<double>(C);
    }
    for (std::size_t c = 0; c < C; ++c) {
      variance += std::pow(x[first + c] - mean, 2) / static_cast<double>(C);
    }
    const double rstd = 1 / std::sqrt(variance + kEps);
    for (std::size_t c = 0; c < C; ++c) {
      r.y.push_back((x[first + c] - mean) * rstd * gain[c] + bias[c]);
    }
    r.mean.push_back(mean);
    r.rstd.push_back(rstd);
  }
  return r;
}

struct Gradients {
  Doubles d_x, d_gain, d_bias;
};

Gradients backward(const Doubles& d_y,
                   const Doubles& x,
                   const Doubles& gain,
                   Size s) {
  const auto C = static_cast<std::size_t>(s.C);
  const Reference r = forward(x, gain, Doubles(C), s);
  Gradients g = {Doubles(x.size()), Doubles(C), Doubles(C)};
  for (std::size_t n = 0; n < r.mean.size(); ++n) {
    double mean_h = 0;
    double mean_h_x = 0;
    const auto normal = [&](std::size_t c) {
      return (x[n * C + c] - r.mean[n]) * r.rstd[n];
    };
    for (std::size_t c = 0; c < C; ++c) {
      const double h = d_y[n * C + c] * gain[c];
      mean_h += h / static_cast<double>(C);
      mean_h_x += h * normal(c) / static_cast<double>(C);
      g.d_gain[c] += d_y[n * C + c] * normal(c);
      g.d_bias[c] += d_y[n * C + c];
    }
    for (std::size_t c = 0; c < C; ++c) {
      const double h = d_y[n * C + c] * gain[c];
      g.d_x[n * C + c] = r.rstd[n] * (h - mean_h - normal(c) * mean_h_x);
    }
  }
  return g;
}

struct Problem {
  explicit Problem(Size s)
      : size(s),
        x(random_values(s.N * s.C, "x", 2, 0.5)),
        y(x.size()),
        mean(static_cast<std::size_t>(s.N)),
        rstd(mean.size()),
        gain(random_values(s.C, "gain", 0.2, 1)),
        bias(random_values(s.C, "bias")),
        d_y(random_values(s.N * s.C, "d_y")),
        d_x(x.size()),
        d_gain(random_values(s.C, "d_gain")),
        d_bias(random_values(s.C, "d_bias")),
        residual(random_values(s.N * s.C, "residual")) {}

  LayerNorm forward_op() {
    const auto [N, C] = size;
    return {.y = tensor(y, {N, C}),
            .mean = tensor(mean, {N}),
            .rstd = tensor(rstd, {N}),
            .x = tensor(x, {N, C}),
            .gain = tensor(gain, {C}),
            .bias = tensor(bias, {C}),
            .eps = static_cast<float>(kEps)};
  }
  LayerNormBackward backward_op() {
    const auto [N, C] = size;
    return {.d_x = tensor(d_x, {N, C}),
            .d_gain = tensor(d_gain, {C}),
            .d_bias = tensor(d_bias, {C}),
            .d_y = tensor(d_y, {N, C}),
            .x = tensor(x, {N, C}),
            .gain = tensor(gain, {C}),
            .mean = tensor(mean, {N}),
            .rstd = tensor(rstd, {N}),
            .write = Write::kOverwrite};
  }
  Reference expected() const {
    return forward(doubles(x), doubles(gain), doubles(bias), size);
  }
  Gradients expected_gradients() const {
    return backward(doubles(d_y), doubles(x), doubles(gain), size);
  }
  std::string describe() const {
    return fmt::format("{} x {}", size.N, size.C);
  }

  Size size;
  Values x, y, mean, rstd, gain, bias, d_y, d_x, d_gain, d_bias, residual;
};

// A sum of n terms in four lanes or more has n / 4 + 4 roundings of the sum of
// absolute values, and some ten roundings follow. In the mean over C they are
// units of the largest value. If C is 1 the value cancels entirely, but rstd
// amplifies by at most 1 / sqrt(eps) = 316.
double units(std::int64_t terms) {
  return terms == 1 ? 1000 : static_cast<double>(terms) / 4 + 20;
}

TEST(LayerNorm, IsTheFormulaAtAnySize) {
  on_every_instruction_set([] {
    for (const Size& size : kSizes) {
      Problem p(size);
      SCOPED_TRACE(p.describe());
      launch_here(p.forward_op());
      const Reference want = p.expected();
      expect_near(p.y, want.y, units(size.C));
      expect_near(p.mean, want.mean, units(size.C));
      expect_near(p.rstd, want.rstd, units(size.C));
    }
  });
}

TEST(LayerNorm, WithoutABiasItIsThatOfZeros) {
  Problem p({7, 1031});
  p.bias.assign(p.bias.size(), 0);
  launch_here(p.forward_op());
  launch_here(p.backward_op());
  Problem without({7, 1031});
  LayerNorm op = without.forward_op();
  op.bias = {};
  LayerNormBackward backward_op = without.backward_op();
  backward_op.d_bias = {};
  launch_here(op);
  launch_here(backward_op);
  EXPECT_EQ(without.y, p.y);
  EXPECT_EQ(without.d_x, p.d_x);
  EXPECT_EQ(without.d_gain, p.d_gain);
}

TEST(LayerNorm, MayWriteOverItsInput) {
  Problem p({5, 17});
  launch_here(p.forward_op());
  LayerNorm in_place = p.forward_op();
  in_place.y = tensor(p.x, {5, 17});
  launch_here(in_place);
  EXPECT_EQ(p.x, p.y);
}

TEST(LayerNorm, KeepsPrecisionFarFromZero) {
  Problem p({2, 64});
  for (float& x : p.x) {
    x = 1000 + x;
  }
  launch_here(p.forward_op());
  // The mean has 4 roundings of 1000, each a deviation of 2 / 2^24 * 500.
  expect_near(p.y, p.expected().y, 4 * 1000);
}

TEST(LayerNormBackward, ReferenceIsTheDerivative) {
  const Size size = {2, 5};
  const Problem p(size);
  const Doubles x = doubles(p.x);
  const Doubles gain = doubles(p.gain);
  const Doubles bias = doubles(p.bias);
  const Doubles d_y = doubles(p.d_y);
  const Gradients g = p.expected_gradients();
  expect_gradient(g.d_x, differences(x, [&](const Doubles& at) {
                    return inner(forward(at, gain, bias, size).y, d_y);
                  }));
  expect_gradient(g.d_gain, differences(gain, [&](const Doubles& at) {
                    return inner(forward(x, at, bias, size).y, d_y);
                  }));
  expect_gradient(g.d_bias, differences(bias, [&](const Doubles& at) {
                    return inner(forward(x, gain, at, size).y, d_y);
                  }));
}

TEST(LayerNormBackward, IsTheFormulaAtAnySize) {
  on_every_instruction_set([] {
    for (const Size& size : kSizes) {
      Problem p(size);
      SCOPED_TRACE(p.describe());
      launch_here(p.forward_op());
      launch_here(p.backward_op());
      const Gradients want = p.expected_gradients();
      if (size.C == 1) {  // d_x is rounding times rstd
        EXPECT_NEAR(p.d_x[0], 0, 8 * kUnit * std::abs(p.d_y[0]) / 3e-3);
      } else {
        // The means, the sums over rows, and x' itself each have an error of
        // `units`.
        expect_near(p.d_x, want.d_x, 4 * units(size.C));
      }
      expect_near(p.d_gain, want.d_gain, 2 * units(size.C) + units(4 * size.N));
      expect_near(p.d_bias, want.d_bias, units(4 * size.N));
    }
  });
}

TEST(LayerNormBackward, AddsToTheGradientsWhereAsked) {
  Problem p({6, 20});
  const Doubles gain_before = doubles(p.d_gain);
  const Doubles bias_before = doubles(p.d_bias);
  launch_here(p.forward_op());
  LayerNormBackward op = p.backward_op();
  op.write = Write::kAdd;
  launch_here(op);
  Gradients want = p.expected_gradients();
  for (std::size_t c = 0; c < 20; ++c) {
    want.d_gain[c] += gain_before[c];
    want.d_bias[c] += bias_before[c];
  }
  expect_near(p.d_gain, want.d_gain, 4 * units(20));
  expect_near(p.d_bias, want.d_bias, units(20));
}

TEST(LayerNormBackward, AddsTheResidual) {
  Problem p({6, 20});
  launch_here(p.forward_op());
  LayerNormBackward op = p.backward_op();
  op.residual = tensor(p.residual, {6, 20});
  launch_here(op);
  Doubles want = p.expected_gradients().d_x;
  for (std::size_t i = 0; i < want.size(); ++i) {
    want[i] += p.residual[i];
  }
  expect_near(p.d_x, want, 4 * units(20));
}

TEST(LayerNormBackward, MayWriteOverDYOrTheResidual) {
  Problem p({6, 20});
  launch_here(p.forward_op());
  LayerNormBackward op = p.backward_op();
  op.residual = tensor(p.residual, {6, 20});
  launch_here(op);
  const auto results = [&] { return std::tuple(p.d_gain, p.d_bias); };
  const auto want = results();

  Problem over_residual = p;
  LayerNormBackward second = over_residual.backward_op();
  second.residual = tensor(over_residual.residual, {6, 20});
  second.d_x = tensor(over_residual.residual, {6, 20});
  launch_here(second);
  EXPECT_EQ(over_residual.residual, p.d_x);

  op.d_x = tensor(p.d_y, {6, 20});
  launch_here(op);
  EXPECT_EQ(p.d_y, p.d_x);
  EXPECT_EQ(results(), want);
}

TEST(LayerNorm, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    Problem p({67, 1001});
    launch_here(p.forward_op());
    launch_here(p.backward_op());
    return std::tuple(p.y, p.mean, p.rstd, p.d_x, p.d_gain, p.d_bias);
  });
}

// The operands of a LayerNorm whose x has the residual stream's type.
std::vector<Operand> operands_of_forward(Size s, OperandType residual) {
  const Shape shape = {s.N, s.C};
  return {random_operand("y", shape),
          random_operand("mean", {s.N}, OperandType::kF32),
          random_operand("rstd", {s.N}, OperandType::kF32),
          random_operand("x", shape, residual),
          random_operand("gain", {s.C}),
          random_operand("bias", {s.C})};
}
LayerNorm forward_of(const Tensors& t) {
  return {.y = t[0],
          .mean = t[1],
          .rstd = t[2],
          .x = t[3],
          .gain = t[4],
          .bias = t[5],
          .eps = static_cast<float>(kEps)};
}

TEST(LayerNorm, RoundsHalvesOnce) {
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
  const auto in_double = [&](std::size_t i) {
    return doubles(operands[i].values);
  };
  const Reference want =
      forward(in_double(3), in_double(4), in_double(5), size);
  expect_near(results[0],
              want.y,
              units(size.C) + units_of_rounding<Half>(OperandType::kHalf));
  expect_near(results[1], want.mean, units(size.C));
  expect_near(results[2], want.rstd, units(size.C));
}

TEST(LayerNorm, IsTheFormulaInAnyTypes) {
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
          random_operand("mean", {s.N}, OperandType::kF32),
          random_operand("rstd", {s.N}, OperandType::kF32),
          random_operand("residual", shape, residual)};
}
LayerNormBackward backward_of(const Tensors& t) {
  return {.d_x = t[0],
          .d_gain = t[1],
          .d_bias = t[2],
          .d_y = t[3],
          .x = t[4],
          .gain = t[5],
          .mean = t[6],
          .rstd = t[7],
          .residual = t[8]};
}

// The rows fill several blocks, the columns several tiles: sums are rounded
// once.
TEST(LayerNormBackward, RoundsHalvesOnce) {
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
  const Doubles gain = in_double(5);
  const Reference r = forward(in_double(4), gain, Doubles(gain.size()), size);
  operands[6].values = Values(r.mean.begin(), r.mean.end());
  operands[7].values = Values(r.rstd.begin(), r.rstd.end());
  const std::vector<Values> results = results_of<Half>(operands, backward_of);
  Gradients want = backward(in_double(3), in_double(4), gain, size);
  const auto add = [&](Doubles& to, std::size_t operand) {
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] += operands[operand].values[i];
    }
  };
  add(want.d_gain, 1);
  add(want.d_bias, 2);
  add(want.d_x, 8);
  const double of_row = 4 * units(size.C);
  const double of_sum =
      2 * units(size.C) + units(4 * size.N) + units_of_rounding<Half>(sums);
  expect_near(results[0], want.d_x, of_row + units_of_rounding<Half>(residual));
  expect_near(results[1], want.d_gain, of_sum);
  expect_near(results[2], want.d_bias, of_sum);
}

TEST(LayerNormBackward, IsTheFormulaInAnyTypes) {
  on_every_instruction_set([] {
    for (const OperandType residual : kResidualTypes) {
      for (const OperandType sums : kSumTypes) {
        expect_gradients_in<Bf16>({33, 1031}, residual, sums);
        expect_gradients_in<F16>({33, 1031}, residual, sums);
      }
    }
  });
}

TEST(LayerNorm, GivesTheSameBitsOnAnyNumberOfThreadsInTwoTypes) {
  expect_same_bits_on_any_threads([] {
    return std::tuple(
        results_of<Bf16>(operands_of_forward({67, 1001}, OperandType::kF32),
                         forward_of),
        results_of<Bf16>(operands_of_backward(
                             {67, 1001}, OperandType::kF32, OperandType::kHalf),
                         backward_of));
  });
}

// d_x of the residual stream's type, where it is the residual.
TEST(LayerNormBackward, MayWriteOverTheResidualInTwoTypes) {
  const auto operands =
      operands_of_backward({6, 20}, OperandType::kF32, OperandType::kF32);
  const auto apart = results_of<Bf16>(operands, backward_of);
  const auto over = results_of<Bf16>(operands, [](const Tensors& t) {
    LayerNormBackward op = backward_of(t);
    op.d_x = t[8];
    return op;
  });
  EXPECT_EQ(over[8], apart[0]);
}

TEST(LayerNorm, RefusesOperandsThatDoNotFit) {
  Problem p({4, 6});
  const auto refuses = [](auto op, auto change) {
    EXPECT_NO_THROW(check(op));
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  refuses(p.forward_op(), [&](auto& op) { op.y = tensor(p.y, {6, 4}); });
  refuses(p.forward_op(), [&](auto& op) { op.x = tensor(p.x, {24}); });
  refuses(p.forward_op(), [&](auto& op) { op.mean = tensor(p.gain, {6}); });
  refuses(p.forward_op(), [&](auto& op) { op.rstd = {}; });
  refuses(p.forward_op(), [&](auto& op) { op.gain = tensor(p.mean, {4}); });
  refuses(p.forward_op(), [&](auto& op) { op.bias = tensor(p.mean, {4}); });
  refuses(p.backward_op(), [&](auto& op) { op.d_x = tensor(p.x, {6, 4}); });
  refuses(p.backward_op(), [&](auto& op) { op.d_y = {}; });
  refuses(p.backward_op(), [&](auto& op) { op.d_gain = {}; });
  refuses(p.backward_op(), [&](auto& op) { op.d_bias = tensor(p.mean, {4}); });
  refuses(p.backward_op(), [&](auto& op) { op.mean = {}; });
  refuses(p.backward_op(), [&](auto& op) {
    op.residual = tensor(p.x, {6, 4});
  });
}

TEST(LayerNorm, TakesTimeOnTheSimulatorAndTouchesNothing) {
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
