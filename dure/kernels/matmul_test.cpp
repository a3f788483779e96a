#include "dure/kernels/matmul.h"

#include <cmath>
#include <fmt/core.h>
#include <limits>

#include <gtest/gtest.h>

#include "dure/kernels/cpu/gemm_workspace.h"
#include "dure/kernels/matmul_testing.h"
#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

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
    return {.y = {y.data(), {M, N}},
            .a = {a.data(), shape_of_a(size, transpose_a)},
            .b = {b.data(), shape_of_b(size, transpose_b)},
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
    launch_here(op);
    expect_right(op, {});
  });
}

TEST(MatMul, AddsBiasAndResidual) {
  for_each_layout([](Problem& problem, MatMul op) {
    op.bias = problem.bias_tensor();
    launch_here(op);
    expect_right(op, {});

    op.residual = problem.residual_tensor();
    launch_here(op);
    expect_right(op, {});

    op.bias = {};
    launch_here(op);
    expect_right(op, {});
  });
}

TEST(MatMul, AddsToY) {
  for_each_layout([](Problem& problem, MatMul op) {
    const Values before = problem.y;
    op.write = Write::kAdd;
    launch_here(op);
    expect_right(op, before);
  });
}

// K has more than one block, so y is written before everything is summed.
TEST(MatMul, TakesYAsItsOwnResidual) {
  Problem problem({29, 97, 1600});
  const Values before = problem.y;
  MatMul op = problem.op(Transpose::kNo, Transpose::kYes);
  op.residual = op.y;
  launch_here(op);
  MatMul want = op;
  want.residual = tensor(before, {29, 97});
  expect_right(want, {});
}

TEST(MatMul, WithNothingToSumIsTheEpilogueAlone) {
  Problem problem({3, 5, 0});
  MatMul op = problem.op(Transpose::kNo, Transpose::kNo);
  op.bias = problem.bias_tensor();
  op.residual = problem.residual_tensor();
  launch_here(op);
  expect_right(op, {});

  op.bias = {};
  op.residual = {};
  launch_here(op);
  EXPECT_EQ(problem.y, Values(15));
}

TEST(MatMul, OfNoRowsOrNoColumnsDoesNothing) {
  for (const Size size : {Size{0, 4, 3}, Size{4, 0, 3}}) {
    Problem problem(size);
    MatMul op = problem.op(Transpose::kNo, Transpose::kYes);
    EXPECT_NO_THROW(launch_here(op)) << describe(size);
  }
}

TEST(MatMul, PropagatesNanAndInfinity) {
  Problem problem({4, 20, 6});
  problem.a[1] = std::numeric_limits<float>::quiet_NaN();
  problem.a[3 * 6] = std::numeric_limits<float>::infinity();
  const MatMul op = problem.op(Transpose::kNo, Transpose::kNo);
  launch_here(op);
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
    const MatMul op = problem.op(Transpose::kYes, Transpose::kNo);
    if (tests_cuda()) {
      launch_here(op);  // on one stream
    } else {
      launch(stream, op);
    }
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

TEST(MatMul, GivesTheSameBitsOnAnyNumberOfThreads) {
  for (const Transpose ta : kBoth) {
    for (const Transpose tb : kBoth) {
      Problem problem(kShared);
      const MatMul op = problem.op(ta, tb);
      expect_same_bits_on_any_threads([&] {
        launch_here(op);
        return problem.y;
      });
    }
  }
}

// This lets a batch be cut, and a token be decoded alone, without a change. A
// GPU adds in an order that depends on the number of rows.
TEST(MatMul, GivesARowTheSameBitsAloneAsAmongOthers) {
  Problem problem({21, 119, 1603});
  const MatMul op = problem.op(Transpose::kNo, Transpose::kYes);
  on_every_instruction_set([&] {
    launch_here(op);
    const Values all = problem.y;
    for (std::int64_t m = 0; m < 21; ++m) {
      MatMul row = op;
      row.y = op.y.rows(m, 1);
      row.a = op.a.rows(m, 1);
      launch_here(row);
    }
    if (!tests_cuda()) {
      EXPECT_EQ(problem.y, all);
    }
  });
  if (tests_cuda()) {
    expect_right(op, {});
  }
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
  refuses([&](MatMul& op) { op.a = {problem.a.data(), {4, 5}, DType::kF64}; });
  refuses([&](MatMul& op) { op.b = {problem.b.data(), {6, 5}, DType::kI32}; });
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
