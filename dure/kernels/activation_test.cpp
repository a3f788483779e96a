#include "dure/kernels/activation.h"

#include <limits>
#include <numbers>
#include <tuple>

#include "dure/kernels/half_testing.h"
#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

struct Size {
  std::int64_t N;
  std::int64_t F;
};

const Size kSizes[] = {{1, 1}, {3, 3}, {5, 17}, {2, 64}, {40, 1000}};

const double kRootTwoOverPi = std::sqrt(2 / std::numbers::pi);

double gelu(double h) {
  return h / 2 * (1 + std::tanh(kRootTwoOverPi * (h + 0.044715 * h * h * h)));
}

double gelu_slope(double h) {
  const double t = std::tanh(kRootTwoOverPi * (h + 0.044715 * h * h * h));
  return (1 + t) / 2 +
         h / 2 * (1 - t * t) * kRootTwoOverPi * (1 + 3 * 0.044715 * h * h);
}

double silu(double g) {
  return g / (1 + std::exp(-g));
}

double silu_slope(double g) {
  const double s = 1 / (1 + std::exp(-g));
  return s + g * s * (1 - s);
}

// exp2 has a relative error of 2^-22, and its argument t has four roundings,
// each of which moves the exponential by ln 2 |t| 2^-24; some ten roundings
// follow. Below h = -5, where |t| > 20, the largest value determines the error.
constexpr double kUnits = 4 + 4 * 0.7 * 20 + 10;

Doubles gelu_of(const Values& x) {
  Doubles y;
  for (const float h : x) {
    y.push_back(gelu(h));
  }
  return y;
}

TEST(Gelu, IsTheFormulaAtAnySize) {
  on_every_instruction_set([] {
    for (const auto& [N, F] : kSizes) {
      SCOPED_TRACE(F);
      const Values x = random_values(N * F, "x", 2);
      Values y(x.size());
      launch_here(Gelu{.y = tensor(y, {N, F}), .x = tensor(x, {N, F})});
      const Doubles want = gelu_of(x);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double scale = std::max(std::abs(want[i]), 1e-4);
        ASSERT_NEAR(y[i], want[i], kUnits * kUnit * scale) << "of " << x[i];
      }
    }
  });
}

TEST(Gelu, IsZeroOrTheIdentityFarOut) {
  on_every_instruction_set([] {
    const Values x = {-1e30F, -200, -20, 20, 200, 1e30F};
    Values y(6);
    launch_here(Gelu{.y = tensor(y, {1, 6}), .x = tensor(x, {1, 6})});
    EXPECT_NEAR(y[1], 0, 1e-30);
    EXPECT_NEAR(y[2], 0, 1e-30);
    EXPECT_EQ(y[3], 20);
    EXPECT_EQ(y[4], 200);
    EXPECT_EQ(y[5], 1e30F);
    const Values d_y(6, 1);
    Values d_x(6);
    launch_here(GeluBackward{.d_x = tensor(d_x, {1, 6}),
                             .d_y = tensor(d_y, {1, 6}),
                             .x = tensor(x, {1, 6})});
    for (std::size_t i = 0; i < 6; ++i) {
      EXPECT_NEAR(d_x[i], i < 3 ? 0 : 1, 1e-30) << "of " << x[i];
    }
  });
}

TEST(Gelu, PropagatesNan) {
  const Values x(3, std::numeric_limits<float>::quiet_NaN());
  Values y(3);
  launch_here(Gelu{.y = tensor(y, {1, 3}), .x = tensor(x, {1, 3})});
  EXPECT_TRUE(std::isnan(y[0]));
  launch_here(GeluBackward{.d_x = tensor(y, {1, 3}),
                           .d_y = tensor(Values(3, 1), {1, 3}),
                           .x = tensor(x, {1, 3})});
  EXPECT_TRUE(std::isnan(y[2]));
}

TEST(GeluBackward, ReferenceIsTheDerivative) {
  const Doubles x = {-6, -3, -1.5, -0.1, 0, 0.3, 1, 2.5, 5};
  Doubles slopes;
  Doubles sums;
  for (const double h : x) {
    slopes.push_back(gelu_slope(h));
    sums.push_back(
        differences({h}, [](const Doubles& at) { return gelu(at[0]); })[0]);
  }
  expect_gradient(slopes, sums);
}

TEST(GeluBackward, IsTheFormulaAtAnySizeAndInPlace) {
  on_every_instruction_set([] {
    for (const auto& [N, F] : kSizes) {
      SCOPED_TRACE(F);
      Values x = random_values(N * F, "x", 2);
      Values d_y = random_values(N * F, "d_y");
      Values d_x(x.size());
      Doubles want;
      for (std::size_t i = 0; i < x.size(); ++i) {
        want.push_back(d_y[i] * gelu_slope(x[i]));
      }
      GeluBackward op = {.d_x = tensor(d_x, {N, F}),
                         .d_y = tensor(d_y, {N, F}),
                         .x = tensor(x, {N, F})};
      launch_here(op);
      for (std::size_t i = 0; i < d_x.size(); ++i) {
        // Terms of size 1 cancel near the minimum, h = -0.75.
        ASSERT_NEAR(d_x[i], want[i], kUnits * kUnit * std::abs(d_y[i]));
      }
      Values d_y_copy = d_y;
      op.d_y = op.d_x = tensor(d_y_copy, {N, F});
      launch_here(op);
      EXPECT_EQ(d_y_copy, d_x);
      op.d_y = tensor(d_y, {N, F});
      op.x = op.d_x = tensor(x, {N, F});
      launch_here(op);
      EXPECT_EQ(x, d_x);
    }
  });
}

TEST(Gelu, MayWriteOverItsInput) {
  Values x = random_values(51, "x");
  Values y(51);
  launch_here(Gelu{.y = tensor(y, {3, 17}), .x = tensor(x, {3, 17})});
  launch_here(Gelu{.y = tensor(x, {3, 17}), .x = tensor(x, {3, 17})});
  EXPECT_EQ(x, y);
}

struct SwigluProblem {
  explicit SwigluProblem(Size s)
      : size(s),
        gate_up(random_values(s.N * s.F * 2, "gate_up", 2)),
        d_gate_up(gate_up.size()),
        y(static_cast<std::size_t>(s.N * s.F)),
        d_y(random_values(s.N * s.F, "d_y")) {}

  Swiglu forward_op() {
    return {.y = tensor(y, {size.N, size.F}),
            .gate_up = tensor(gate_up, {size.N, 2 * size.F})};
  }
  SwigluBackward backward_op() {
    return {.d_gate_up = tensor(d_gate_up, {size.N, 2 * size.F}),
            .d_y = tensor(d_y, {size.N, size.F}),
            .gate_up = tensor(gate_up, {size.N, 2 * size.F})};
  }
  // Calls body(index of the gate, of up, of y).
  template <typename Body>
  void for_each(const Body& body) const {
    const auto F = static_cast<std::size_t>(size.F);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t gate = i / F * 2 * F + i % F;
      body(gate, gate + F, i);
    }
  }

  Size size;
  Values gate_up, d_gate_up, y, d_y;
};

TEST(Swiglu, IsTheFormulaAtAnySize) {
  on_every_instruction_set([] {
    for (const Size& size : kSizes) {
      SCOPED_TRACE(size.F);
      SwigluProblem p(size);
      launch_here(p.forward_op());
      p.for_each([&](std::size_t gate, std::size_t up, std::size_t i) {
        const double want = silu(p.gate_up[gate]) * p.gate_up[up];
        ASSERT_NEAR(p.y[i], want, kUnits * kUnit * std::abs(want));
      });
    }
  });
}

TEST(SwigluBackward, ReferenceIsTheDerivative) {
  const Doubles x = {-20, -3, -1.5, -0.1, 0, 0.3, 1, 2.5, 5};
  Doubles slopes;
  Doubles sums;
  for (const double g : x) {
    slopes.push_back(silu_slope(g));
    sums.push_back(
        differences({g}, [](const Doubles& at) { return silu(at[0]); })[0]);
  }
  expect_gradient(slopes, sums);
}

TEST(SwigluBackward, IsTheFormulaAtAnySizeAndInPlace) {
  on_every_instruction_set([] {
    for (const Size& size : kSizes) {
      SCOPED_TRACE(size.F);
      SwigluProblem p(size);
      launch_here(p.backward_op());
      p.for_each([&](std::size_t gate, std::size_t up, std::size_t i) {
        const double g = p.gate_up[gate];
        const double u = p.gate_up[up];
        ASSERT_NEAR(p.d_gate_up[gate],
                    p.d_y[i] * u * silu_slope(g),
                    kUnits * kUnit * std::abs(p.d_y[i] * u));
        ASSERT_NEAR(p.d_gate_up[up],
                    p.d_y[i] * silu(g),
                    kUnits * kUnit * std::abs(p.d_y[i] * silu(g)));
      });
      SwigluBackward in_place = p.backward_op();
      in_place.d_gate_up = tensor(p.gate_up, {size.N, 2 * size.F});
      launch_here(in_place);
      EXPECT_EQ(p.gate_up, p.d_gate_up);
    }
  });
}

TEST(Swiglu, IsZeroWhereTheGateIsFarBelow) {
  Values gate_up = {-1000, -1e30F, 1000, 3, 3, 3};
  Values y(3);
  launch_here(
      Swiglu{.y = tensor(y, {1, 3}), .gate_up = tensor(gate_up, {1, 6})});
  EXPECT_NEAR(y[0], 0, 1e-30);
  EXPECT_EQ(y[2], 3000);
}

TEST(Activation, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    SwigluProblem p({67, 1001});
    launch_here(p.forward_op());
    launch_here(p.backward_op());
    Values x = p.d_y;
    launch_here(Gelu{.y = tensor(x, {67, 1001}), .x = tensor(x, {67, 1001})});
    return std::tuple(p.y, p.d_gate_up, x);
  });
}

TEST(Activation, RoundsHalvesOnce) {
  const Shape shape = {5, 201};
  const Operand x = random_operand("x", shape);
  const Operand y = random_operand("y", shape);
  const Operand d_y = random_operand("d_y", shape);
  const Operand gate_up = random_operand("gate_up", {5, 402});
  expect_halves_rounded_once(
      {y, x}, [](const Tensors& t) { return Gelu{.y = t[0], .x = t[1]}; });
  expect_halves_rounded_once({y, d_y, x}, [](const Tensors& t) {
    return GeluBackward{.d_x = t[0], .d_y = t[1], .x = t[2]};
  });
  expect_halves_rounded_once({y, gate_up}, [](const Tensors& t) {
    return Swiglu{.y = t[0], .gate_up = t[1]};
  });
  expect_halves_rounded_once(
      {random_operand("d_gate_up", {5, 402}), d_y, gate_up},
      [](const Tensors& t) {
        return SwigluBackward{.d_gate_up = t[0], .d_y = t[1], .gate_up = t[2]};
      });
}

TEST(Activation, RefusesOperandsThatDoNotFit) {
  SwigluProblem p({4, 6});
  Values x(24);
  const Tensor right = tensor(x, {4, 6});
  const Tensor wrong = tensor(x, {6, 4});
  EXPECT_NO_THROW(check(Gelu{.y = right, .x = right}));
  EXPECT_THROW(check(Gelu{.y = wrong, .x = right}), Error);
  EXPECT_THROW(check(Gelu{.y = right, .x = {x.data(), {24}}}), Error);
  EXPECT_THROW(check(GeluBackward{.d_x = right, .d_y = wrong, .x = right}),
               Error);
  EXPECT_THROW(check(GeluBackward{.d_x = wrong, .d_y = right, .x = right}),
               Error);
  EXPECT_NO_THROW(check(p.forward_op()));
  EXPECT_THROW(check(Swiglu{.y = right, .gate_up = right}), Error);
  SwigluBackward backward = p.backward_op();
  EXPECT_NO_THROW(check(backward));
  backward.d_gate_up = right;
  EXPECT_THROW(check(backward), Error);
}

TEST(Activation, TakesTimeOnTheSimulatorAndTouchesNothing) {
  SwigluProblem p({4, 6});
  const SwigluProblem before = p;
  launch_on_simulator(p.forward_op());
  launch_on_simulator(p.backward_op());
  Values x = p.d_y;
  launch_on_simulator(Gelu{.y = tensor(x, {4, 6}), .x = tensor(x, {4, 6})});
  launch_on_simulator(GeluBackward{.d_x = tensor(x, {4, 6}),
                                   .d_y = tensor(x, {4, 6}),
                                   .x = tensor(x, {4, 6})});
  EXPECT_EQ(p.y, before.y);
  EXPECT_EQ(p.d_gate_up, before.d_gate_up);
  EXPECT_EQ(x, p.d_y);
}

}  // namespace
}  // namespace dure::kernels
