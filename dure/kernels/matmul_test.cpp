#include "dure/kernels/matmul.h"

#include <cmath>
#include <fmt/core.h>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "dure/kernels/cpu/gemm_workspace.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

struct Size {
  std::int64_t M;
  std::int64_t N;
  std::int64_t K;
};

// The operands of one product and everything that it may write, in vectors.
struct Problem {
  explicit Problem(Size s)
      : size(s),
        a(random_values(s.M * s.K, "a")),
        b(random_values(s.K * s.N, "b")),
        bias(random_values(s.N, "bias")),
        residual(random_values(s.M * s.N, "residual")),
        y(random_values(s.M * s.N, "y")) {}

  MatMul op(Transpose transpose_a, Transpose transpose_b) {
    const auto [M, N, K] = size;
    const bool ta = transpose_a == Transpose::kYes;
    const bool tb = transpose_b == Transpose::kYes;
    return {.y = {y.data(), {M, N}},
            .a = {a.data(), ta ? Shape{K, M} : Shape{M, K}},
            .b = {b.data(), tb ? Shape{N, K} : Shape{K, N}},
            .transpose_a = transpose_a,
            .transpose_b = transpose_b};
  }
  ConstTensor bias_tensor() const { return {bias.data(), {size.N}}; }
  ConstTensor residual_tensor() const {
    return {residual.data(), {size.M, size.N}};
  }

  Size size;
  Values a, b, bias, residual, y;
};

// One element in double, and the sum of the absolute values of its terms.
struct Element {
  double value = 0;
  double magnitude = 0;

  void add(double term) {
    value += term;
    magnitude += std::abs(term);
  }
};

Element expected(const MatMul& op,
                 const Values& y_before,
                 Size s,
                 std::int64_t m,
                 std::int64_t n) {
  const bool ta = op.transpose_a == Transpose::kYes;
  const bool tb = op.transpose_b == Transpose::kYes;
  const auto at = static_cast<std::size_t>(m * s.N + n);
  Element element;
  for (std::int64_t k = 0; k < s.K; ++k) {
    element.add(double{op.a.data<float>()[ta ? k * s.M + m : m * s.K + k]} *
                double{op.b.data<float>()[tb ? n * s.K + k : k * s.N + n]});
  }
  if (op.write == Write::kAdd) {
    element.add(y_before[at]);
  }
  if (op.bias) {
    element.add(op.bias.data<float>()[n]);
  }
  if (op.residual) {
    element.add(op.residual.data<float>()[at]);
  }
  return element;
}

// A sum of n rounded terms, in any order, has an error of at most n u / (1 - n
// u) times the sum of their absolute values, u = kUnit [Higham 2002, eq. 4.4];
// a product without FMA rounds once more. There are at most n = K + 3 terms.
double tolerance(const Element& element, std::int64_t K) {
  const double n = static_cast<double>(K + 4);
  return n * kUnit / (1 - n * kUnit) * element.magnitude;
}

void expect_right(const MatMul& op, const Values& y_before, Size size) {
  for (std::int64_t m = 0; m < size.M; ++m) {
    for (std::int64_t n = 0; n < size.N; ++n) {
      const Element want = expected(op, y_before, size, m, n);
      ASSERT_NEAR(op.y.data<float>()[m * size.N + n],
                  want.value,
                  tolerance(want, size.K))
          << "at " << m << ", " << n;
    }
  }
}

std::string describe(Size s) {
  return fmt::format("M {}, N {}, K {}", s.M, s.N, s.K);
}

// Sizes around every width of registers, panel and block that a kernel may
// have.
const Size kSizes[] = {{1, 1, 1},
                       {1, 17, 3},
                       {5, 1, 33},
                       {2, 50, 1},
                       {3, 48, 129},
                       {8, 64, 64},
                       {13, 33, 65},
                       {14, 32, 16},
                       {29, 97, 40},
                       {65, 130, 71},
                       {130, 66, 400},
                       {40, 300, 513},
                       {257, 47, 30},
                       {9, 50, 1600},
                       {1100, 20, 9}};

constexpr Transpose kBoth[] = {Transpose::kNo, Transpose::kYes};

template <typename Body>
void for_each_layout(Body body) {
  for (const Size& size : kSizes) {
    for (const Transpose ta : kBoth) {
      for (const Transpose tb : kBoth) {
        SCOPED_TRACE(fmt::format("{}, transposed {}{}",
                                 describe(size),
                                 static_cast<int>(ta),
                                 static_cast<int>(tb)));
        Problem problem(size);
        body(problem, problem.op(ta, tb));
      }
    }
  }
}

TEST(MatMul, OverwritesWithTheProductWhateverWasThere) {
  for_each_layout([](Problem& problem, const MatMul& op) {
    problem.y.assign(problem.y.size(), std::numeric_limits<float>::quiet_NaN());
    Stream stream(Device::kCpu);
    launch(stream, op);
    expect_right(op, {}, problem.size);
  });
}

TEST(MatMul, AddsBiasAndResidual) {
  for_each_layout([](Problem& problem, MatMul op) {
    Stream stream(Device::kCpu);
    op.bias = problem.bias_tensor();
    launch(stream, op);
    expect_right(op, {}, problem.size);

    op.residual = problem.residual_tensor();
    launch(stream, op);
    expect_right(op, {}, problem.size);

    op.bias = {};
    launch(stream, op);
    expect_right(op, {}, problem.size);
  });
}

TEST(MatMul, AddsToY) {
  for_each_layout([](Problem& problem, MatMul op) {
    const Values before = problem.y;
    op.write = Write::kAdd;
    Stream stream(Device::kCpu);
    launch(stream, op);
    expect_right(op, before, problem.size);
  });
}

// K has more than one block, so y is written before everything is summed.
TEST(MatMul, TakesYAsItsOwnResidual) {
  Problem problem({29, 97, 1600});
  const Values before = problem.y;
  MatMul op = problem.op(Transpose::kNo, Transpose::kYes);
  op.residual = op.y;
  Stream stream(Device::kCpu);
  launch(stream, op);
  MatMul want = op;
  want.residual = tensor(before, {29, 97});
  expect_right(want, {}, problem.size);
}

TEST(MatMul, WithNothingToSumIsTheEpilogueAlone) {
  Problem problem({3, 5, 0});
  MatMul op = problem.op(Transpose::kNo, Transpose::kNo);
  op.bias = problem.bias_tensor();
  op.residual = problem.residual_tensor();
  Stream stream(Device::kCpu);
  launch(stream, op);
  expect_right(op, {}, problem.size);

  op.bias = {};
  op.residual = {};
  launch(stream, op);
  EXPECT_EQ(problem.y, Values(15));
}

TEST(MatMul, OfNoRowsOrNoColumnsDoesNothing) {
  for (const Size size : {Size{0, 4, 3}, Size{4, 0, 3}}) {
    Problem problem(size);
    MatMul op = problem.op(Transpose::kNo, Transpose::kYes);
    Stream stream(Device::kCpu);
    EXPECT_NO_THROW(launch(stream, op)) << describe(size);
  }
}

TEST(MatMul, PropagatesNanAndInfinity) {
  Problem problem({4, 20, 6});
  problem.a[1] = std::numeric_limits<float>::quiet_NaN();
  problem.a[3 * 6] = std::numeric_limits<float>::infinity();
  const MatMul op = problem.op(Transpose::kNo, Transpose::kNo);
  Stream stream(Device::kCpu);
  launch(stream, op);
  for (std::size_t n = 0; n < 20; ++n) {
    EXPECT_TRUE(std::isnan(problem.y[n]));
    EXPECT_TRUE(std::isfinite(problem.y[20 + n]));
    EXPECT_TRUE(std::isinf(problem.y[60 + n]));
  }
}

// The values are the same whatever ran before on the stream.
TEST(MatMul, GivesTheSameBitsWhenShapesInterleave) {
  Problem small({13, 33, 65});
  Problem large({65, 130, 71});
  const auto product = [](Stream& stream, Problem& problem) {
    launch(stream, problem.op(Transpose::kYes, Transpose::kNo));
    return problem.y;
  };
  Stream fresh_small(Device::kCpu);
  Stream fresh_large(Device::kCpu);
  const Values want_small = product(fresh_small, small);
  const Values want_large = product(fresh_large, large);
  Stream shared(Device::kCpu);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(product(shared, small), want_small);
    EXPECT_EQ(product(shared, large), want_large);
  }
}

// The size is so large that other threads are woken, and rows, columns and
// blocks of K are all divided.
constexpr Size kShared = {130, 130, 1600};

TEST(MatMul, GivesTheSameBitsOnAnyNumberOfThreads) {
  for (const Transpose ta : kBoth) {
    for (const Transpose tb : kBoth) {
      Problem problem(kShared);
      const MatMul op = problem.op(ta, tb);
      expect_same_bits_on_any_threads([&] {
        launch_on_cpu(op);
        return problem.y;
      });
    }
  }
}

// This lets a batch be cut, and a token be decoded alone, without a change.
TEST(MatMul, GivesARowTheSameBitsAloneAsAmongOthers) {
  Problem problem({21, 70, 1600});
  const MatMul op = problem.op(Transpose::kNo, Transpose::kYes);
  launch_on_cpu(op);
  const Values all = problem.y;
  for (std::int64_t m = 0; m < 21; ++m) {
    MatMul row = op;
    row.y = op.y.rows(m, 1);
    row.a = op.a.rows(m, 1);
    launch_on_cpu(row);
  }
  EXPECT_EQ(problem.y, all);
}

TEST(MatMul, AllocatesOnceAStream) {
  Problem small({13, 33, 65});
  Problem large(kShared);
  Stream stream(Device::kCpu);
  launch(stream, large.op(Transpose::kNo, Transpose::kYes));
  const float* const memory = stream.kept<GemmWorkspace>().at_least(0);
  EXPECT_NE(memory, nullptr);
  launch(stream, small.op(Transpose::kNo, Transpose::kYes));
  launch(stream, large.op(Transpose::kYes, Transpose::kNo));
  EXPECT_EQ(stream.kept<GemmWorkspace>().at_least(0), memory);
}

TEST(MatMul, RefusesOperandsThatDoNotFit) {
  Problem problem({4, 6, 5});
  const MatMul good = problem.op(Transpose::kNo, Transpose::kYes);
  const auto refuses = [&](auto change) {
    MatMul op = good;
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  EXPECT_NO_THROW(check(good));
  refuses([](MatMul& op) { op.transpose_a = Transpose::kYes; });
  refuses([](MatMul& op) { op.transpose_b = Transpose::kNo; });
  refuses([&](MatMul& op) { op.y = {problem.y.data(), {4, 5}}; });
  refuses([&](MatMul& op) { op.y = {problem.y.data(), {24}}; });
  refuses([&](MatMul& op) { op.a = {problem.a.data(), {4, 4}}; });
  refuses([&](MatMul& op) { op.b = {problem.b.data(), {5, 5}}; });
  refuses([&](MatMul& op) { op.b = {}; });
  refuses([&](MatMul& op) { op.a = {problem.a.data(), {4, 5}, DType::kBf16}; });
  refuses([&](MatMul& op) { op.bias = {problem.bias.data(), {5}}; });
  refuses([&](MatMul& op) { op.residual = {problem.y.data(), {6, 4}}; });
  refuses([&](MatMul& op) {
    op.bias = problem.bias_tensor();
    op.write = Write::kAdd;
  });
  refuses([&](MatMul& op) {
    op.residual = problem.residual_tensor();
    op.write = Write::kAdd;
  });
}

TEST(MatMul, CountsTwoFlopsAProductAndEachOperandOnce) {
  Problem problem({4, 6, 5});
  MatMul op = problem.op(Transpose::kYes, Transpose::kNo);
  EXPECT_EQ(cost(op).flops, 2 * 4 * 6 * 5);
  EXPECT_EQ(cost(op).bytes, 4 * (4 * 5 + 5 * 6 + 4 * 6));
  op.write = Write::kAdd;
  EXPECT_EQ(cost(op).bytes, 4 * (4 * 5 + 5 * 6 + 2 * 4 * 6));
}

TEST(MatMul, TakesTimeOnTheSimulatorAndTouchesNothing) {
  Problem problem({4, 6, 5});
  const Values before = problem.y;
  Stream stream(Device::kSim);
  launch(stream, problem.op(Transpose::kNo, Transpose::kNo));
  EXPECT_GT(stream.seconds(), 0);
  EXPECT_EQ(problem.y, before);
}

}  // namespace
}  // namespace dure::kernels
