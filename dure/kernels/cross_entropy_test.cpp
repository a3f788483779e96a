#include "dure/kernels/cross_entropy.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <limits>
#include <string>
#include <tuple>

#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

struct Size {
  std::int64_t N;
  std::int64_t V;
  std::int64_t Vp;  // with padding
};

const Size kSizes[] = {{1, 1, 1},
                       {3, 3, 8},
                       {5, 17, 17},
                       {4, 64, 64},
                       {7, 1000, 1024},
                       {3, 5003, 5120},
                       {2, 50257, 50304}};

struct Problem {
  explicit Problem(Size s)
      : size(s),
        logits(random_values(s.N * s.Vp, "logits", 3)),
        loss(static_cast<std::size_t>(s.N), -1.0F) {
    for (std::int64_t n = 0; n < s.N; ++n) {
      targets.push_back(static_cast<std::int32_t>(n * 7919 % s.V));
    }
  }

  CrossEntropy op(Gradient gradient = Gradient::kInPlace) {
    return {.loss = tensor(loss, {size.N}),
            .logits = tensor(logits, {size.N, size.Vp}),
            .targets = ConstTensor(targets.data(), {size.N}),
            .vocabulary = size.V,
            .d_loss = 0.25F,
            .gradient = gradient};
  }

  Size size;
  Values logits, loss;
  std::vector<std::int32_t> targets;
};

// Loss and gradient of one row of V logits, in double.
struct Row {
  double loss = 0;
  Doubles gradient;
};

Row row_of(const Doubles& logits, std::int32_t target, double d_loss) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double x : logits) {
    sum += std::exp(x - most);
  }
  Row row;
  row.loss = std::log(sum) + most - logits[static_cast<std::size_t>(target)];
  for (const double x : logits) {
    row.gradient.push_back(d_loss * std::exp(x - most) / sum);
  }
  row.gradient[static_cast<std::size_t>(target)] -= d_loss;
  return row;
}

Row expected_row(const Problem& p, std::int64_t n) {
  const auto start = p.logits.begin() + n * p.size.Vp;
  return row_of(Doubles(start, start + p.size.V),
                p.targets[static_cast<std::size_t>(n)],
                0.25);
}

// The loss is rounded once from f64; its sum of exponentials is off by 2^-22
// each and, in blocks of 1024 over four lanes or more, some 260 roundings.
constexpr double kSum = (4 + 260) * kUnit;

// An exponential: 2^-22 of its own, and its argument, up to |t| = 40 here, is
// rounded twice; then the sum, and a few products.
constexpr double kProbability = (4 + 2 * 0.7 * 40 + 10) * kUnit + kSum;

TEST(CrossEntropy, IsTheFormulaAtAnySize) {
  on_every_instruction_set([] {
    for (const Size& size : kSizes) {
      SCOPED_TRACE(concat(size.N, " x ", size.V));
      Problem p(size);
      const Problem before = p;
      launch_on_cpu(p.op());
      for (std::int64_t n = 0; n < size.N; ++n) {
        const auto i = static_cast<std::size_t>(n);
        const Row want = expected_row(before, n);
        ASSERT_NEAR(p.loss[i], want.loss, kSum + 2 * kUnit * want.loss);
        for (std::int64_t v = 0; v < size.Vp; ++v) {
          const float actual =
              p.logits[static_cast<std::size_t>(n * size.Vp + v)];
          if (v >= size.V) {
            ASSERT_EQ(actual, 0) << "padding " << v;
            continue;
          }
          const double gradient = want.gradient[static_cast<std::size_t>(v)];
          const double terms = v == p.targets[i] ? 0.25 : std::abs(gradient);
          ASSERT_NEAR(actual, gradient, kProbability * terms) << n << ", " << v;
        }
      }
    }
  });
}

TEST(CrossEntropy, ReferenceIsTheDerivative) {
  const Doubles logits = {0.5, -1, 2, 0.1, -3};
  expect_gradient(row_of(logits, 3, 0.25).gradient,
                  differences(logits, [](const Doubles& at) {
                    return 0.25 * row_of(at, 3, 0.25).loss;
                  }));
}

// log(V) for equal logits, however large they are; by hand.
TEST(CrossEntropy, IsTheLogarithmOfTheVocabularyWhereAllAreEqual) {
  for (const float value : {0.0F, 1e30F, -1e30F}) {
    Problem p({3, 1000, 1024});
    p.logits.assign(p.logits.size(), value);
    launch_on_cpu(p.op());
    for (const float loss : p.loss) {
      EXPECT_NEAR(loss, std::log(1000.0), 8 * kUnit * std::log(1000.0));
    }
    EXPECT_NEAR(p.logits[500], 0.25 / 1000, 4 * kUnit * 0.25 / 1000);
  }
}

TEST(CrossEntropy, LeavesTheLogitsWhereTheLossAloneIsWanted) {
  Problem with({7, 1000, 1024});
  Problem without = with;
  const Values logits = with.logits;
  launch_on_cpu(with.op());
  launch_on_cpu(without.op(Gradient::kNone));
  EXPECT_EQ(without.loss, with.loss);
  EXPECT_EQ(without.logits, logits);
}

TEST(CrossEntropy, IgnoresRowsWithoutATarget) {
  Problem p({3, 17, 20});
  p.targets[1] = kIgnore;
  launch_on_cpu(p.op());
  EXPECT_EQ(p.loss[1], 0);
  EXPECT_GT(p.loss[0], 0);
  for (std::size_t v = 0; v < 20; ++v) {
    EXPECT_EQ(p.logits[20 + v], 0);
  }
}

// -inf is a logit that is masked out: probability 0.
TEST(CrossEntropy, TakesMaskedLogits) {
  Problem p({1, 4, 4});
  p.logits = {1, -std::numeric_limits<float>::infinity(), 1, 1};
  p.targets = {2};
  launch_on_cpu(p.op());
  EXPECT_NEAR(p.loss[0], std::log(3.0), 8 * kUnit);
  EXPECT_EQ(p.logits[1], 0);
}

TEST(CrossEntropy, OfANonFiniteRowIsNotANumber) {
  on_every_instruction_set([] {
    for (const float bad : {std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
      for (const std::size_t place : {0, 5, 999}) {
        Problem p({2, 1000, 1000});
        p.logits[place] = bad;
        launch_on_cpu(p.op());
        EXPECT_FALSE(std::isfinite(p.loss[0])) << bad << " at " << place;
        EXPECT_TRUE(std::isfinite(p.loss[1]));
      }
    }
  });
}

TEST(CrossEntropy, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    Problem p({67, 1001, 1008});
    launch_on_cpu(p.op());
    return std::tuple(p.loss, p.logits);
  });
}

TEST(CrossEntropy, NamesATargetOutOfRangeAndTouchesNothing) {
  for (const std::int32_t bad : {-1, 17, 19}) {  // 19 is a column of padding
    Problem p({5, 17, 20});
    p.targets[3] = bad;
    const Values logits = p.logits;
    try {
      launch_on_cpu(p.op());
      FAIL() << bad << " was taken";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  ::testing::HasSubstr(
                      concat("targets[3] is ", bad, ", wanted 0 to 16")));
    }
    EXPECT_EQ(p.logits, logits);
  }
}

TEST(CrossEntropy, RefusesOperandsThatDoNotFit) {
  Problem p({4, 6, 8});
  const auto refuses = [&](auto change) {
    CrossEntropy op = p.op();
    EXPECT_NO_THROW(check(op));
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  refuses([&](auto& op) { op.loss = op.loss.rows(0, 3); });
  refuses([&](auto& op) { op.logits = tensor(p.logits, {32}); });
  refuses([&](auto& op) { op.targets = op.targets.rows(0, 3); });
  refuses([&](auto& op) { op.targets = ConstTensor(p.loss.data(), {4}); });
  refuses([](auto& op) { op.vocabulary = 9; });
  refuses([](auto& op) { op.vocabulary = 0; });
}

TEST(CrossEntropy, TakesTimeOnTheSimulatorAndTouchesNothing) {
  Problem p({4, 6, 8});
  const Problem before = p;
  launch_on_simulator(p.op());
  EXPECT_EQ(p.logits, before.logits);
  EXPECT_EQ(p.loss, before.loss);
}

}  // namespace
}  // namespace dure::kernels
