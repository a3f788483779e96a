#include "dure/kernels/rope.h"

#include <cmath>

#include <gtest/gtest.h>

#include "dure/kernels/half_testing.h"
#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

constexpr std::int64_t kN = 5;
constexpr std::int64_t kHeads = 4;
constexpr std::int64_t kTurned = 3;
const std::vector<std::int32_t> kPositions = {0, 1, 7, 4095, 131071};

Rope rope(Values& qkv,
          std::int64_t head_dim,
          Rotation rotation = Rotation::kForward) {
  return {.qkv = tensor(qkv, {kN, kHeads * head_dim}),
          .positions = {kPositions.data(), {kN}},
          .head_dim = head_dim,
          .rotated_heads = kTurned,
          .rotation = rotation};
}

// Computes each pair as the product of complex numbers.
Doubles reference(const Values& qkv, std::int64_t head_dim) {
  Doubles turned = doubles(qkv);
  const std::int64_t half = head_dim / 2;
  for (std::int64_t n = 0; n < kN; ++n) {
    for (std::int64_t head = 0; head < kTurned; ++head) {
      for (std::int64_t i = 0; i < half; ++i) {
        const auto low =
            static_cast<std::size_t>((n * kHeads + head) * head_dim + i);
        const std::size_t high = low + static_cast<std::size_t>(half);
        const double angle = kPositions[static_cast<std::size_t>(n)] *
                             std::pow(10000.0,
                                      -2.0 * static_cast<double>(i) /
                                          static_cast<double>(head_dim));
        turned[low] = qkv[low] * std::cos(angle) - qkv[high] * std::sin(angle);
        turned[high] = qkv[high] * std::cos(angle) + qkv[low] * std::sin(angle);
      }
    }
  }
  return turned;
}

// Cosine and sine are rounded, then their products and the sum of these: four
// roundings of numbers up to the largest.
constexpr double kUnits = 4;

TEST(Rope, EqualsTheReferenceForEveryWidth) {
  for (const std::int64_t head_dim : {2, 6, 8, 64, 80, 128, 200}) {
    Values qkv = random_values(kN * kHeads * head_dim, "qkv");
    const Doubles want = reference(qkv, head_dim);
    launch_here(rope(qkv, head_dim));
    expect_near(qkv, want, kUnits);
  }
}

TEST(Rope, EqualsTheReferenceOnEveryInstructionSet) {
  on_every_instruction_set([&] {
    Values qkv = random_values(kN * kHeads * 72, "qkv");
    const Doubles want = reference(qkv, 72);
    launch_here(rope(qkv, 72));
    expect_near(qkv, want, kUnits);
  });
}

TEST(Rope, LeavesTheHeadsThatDoNotTurn) {
  Values qkv = random_values(kN * kHeads * 8, "qkv");
  const Values before = qkv;
  launch_here(rope(qkv, 8));
  for (std::size_t n = 0; n < kN; ++n) {
    for (std::size_t i = kTurned * 8; i < kHeads * 8; ++i) {
      EXPECT_EQ(qkv[n * kHeads * 8 + i], before[n * kHeads * 8 + i]);
    }
  }
}

// The rotation is orthogonal, so its transpose, the gradient, is its inverse.
TEST(Rope, BackwardIsTheInverse) {
  Values qkv = random_values(kN * kHeads * 64, "qkv");
  const Doubles before = doubles(qkv);
  launch_here(rope(qkv, 64));
  launch_here(rope(qkv, 64, Rotation::kBackward));
  expect_near(qkv, before, 2 * kUnits);
}

// The property of a position embedding [1, eq. 11]: q at m times k at n depends
// on m - n.
TEST(Rope, ProductsDependOnTheDistanceOfPositions) {
  const std::vector<std::int32_t> positions = {10, 13, 110, 113};
  Values row = random_values(2 * 64, "row");
  Values x;
  for (int i = 0; i < 2; ++i) {
    x.insert(x.end(), row.begin(), row.end());
  }
  launch_here(Rope{.qkv = tensor(x, {4, 64}),
                   .positions = {positions.data(), {4}},
                   .head_dim = 64,
                   .rotated_heads = 1});
  const auto product = [&](std::size_t m, std::size_t n) {
    double sum = 0;
    for (std::size_t i = 0; i < 64; ++i) {
      sum += double{x[m * 64 + i]} * double{x[n * 64 + i]};
    }
    return sum;
  };
  // It sums 64 products of numbers up to 3, each with 2 * kUnits roundings of
  // 3.
  EXPECT_NEAR(product(0, 1), product(2, 3), 64 * 9 * 2 * kUnits * kUnit);
}

TEST(Rope, RoundsHalvesOnce) {
  for (const std::int64_t head_dim : {6, 64, 200}) {
    expect_halves_rounded_once({random_operand("qkv", {kN, kHeads * head_dim})},
                               [&](const Tensors& t) {
                                 return Rope{
                                     .qkv = t[0],
                                     .positions = {kPositions.data(), {kN}},
                                     .head_dim = head_dim,
                                     .rotated_heads = kTurned};
                               });
  }
}

TEST(Rope, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Values qkv = random_values(kN * kHeads * 64, "qkv");
  expect_same_bits_on_any_threads([&] {
    Values turned = qkv;
    launch_here(rope(turned, 64));
    return turned;
  });
}

TEST(Rope, TakesTimeOnTheSimulatorAndTouchesNothing) {
  Values qkv = random_values(kN * kHeads * 8, "qkv");
  const Values before = qkv;
  launch_on_simulator(rope(qkv, 8));
  EXPECT_EQ(qkv, before);
}

TEST(Rope, RefusesShapesThatDoNotAgree) {
  Values qkv(kN * kHeads * 8);
  const auto refused = [&](const auto& change) {
    Rope op = rope(qkv, 8);
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  EXPECT_NO_THROW(check(rope(qkv, 8)));
  refused([](Rope& op) { op.head_dim = 7; });
  refused([](Rope& op) { op.head_dim = 0; });
  refused([](Rope& op) { op.head_dim = 10; });
  refused([](Rope& op) { op.rotated_heads = 5; });
  refused([](Rope& op) { op.theta = 0; });
  refused([](Rope& op) { op.positions = op.qkv; });
}

}  // namespace
}  // namespace dure::kernels
