#include "dure/kernels/cross_entropy.h"

#include <algorithm>
#include <fmt/core.h>
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

// Has all columns on one rank: the loss, and the gradient in place of the
// logits.
struct Problem {
  explicit Problem(Size s)
      : size(s),
        logits(random_values(s.N * s.Vp, "logits", 3)),
        loss(static_cast<std::size_t>(s.N), -1.0F) {
    for (std::int64_t n = 0; n < s.N; ++n) {
      targets.push_back(static_cast<std::int32_t>(n * 7919 % s.V));
    }
  }

  ConstTensor rows_targets() const { return {targets.data(), {size.N}}; }

  void run();

  Size size;
  Values logits, loss;
  std::vector<std::int32_t> targets;
};

// A rank's columns of a problem, [first, first + columns), and its statistics.
struct Shard {
  Shard(const Problem& p, std::int64_t first_column, std::int64_t width)
      : first(first_column),
        columns(width),
        N(p.size.N),
        vocabulary(p.size.V),
        targets(p.rows_targets()),
        maximum(static_cast<std::size_t>(N)),
        sums(static_cast<std::size_t>(2 * N)) {
    for (std::int64_t n = 0; n < N; ++n) {
      for (std::int64_t c = 0; c < columns; ++c) {
        // Columns past the last are padding, whatever they hold.
        const std::int64_t v = first + c;
        logits.push_back(
            v < p.size.Vp
                ? p.logits[static_cast<std::size_t>(n * p.size.Vp + v)]
                : 1e9F);
      }
    }
  }

  Tensor sums_tensor() { return {sums.data(), {2, N}}; }

  LogitStatistics statistics() {
    return {.maximum = tensor(maximum, {N}),
            .sums = sums_tensor(),
            .logits = tensor(logits, {N, columns}),
            .targets = targets,
            .first_column = first,
            .vocabulary = vocabulary};
  }
  RescaleSums rescale(Values& all) {
    return {.sums = sums_tensor(),
            .own = tensor(maximum, {N}),
            .maximum = tensor(all, {N})};
  }
  CrossEntropyLoss loss_op(Values& loss) {
    return {.loss = tensor(loss, {N}),
            .maximum = tensor(maximum, {N}),
            .sums = sums_tensor(),
            .targets = targets};
  }
  CrossEntropyGradient gradient() {
    static const float kDLoss = 0.25F;
    return {.logits = tensor(logits, {N, columns}),
            .maximum = tensor(maximum, {N}),
            .sums = sums_tensor(),
            .targets = targets,
            .first_column = first,
            .vocabulary = vocabulary,
            .d_loss = {&kDLoss, {1}}};
  }

  std::int64_t first, columns, N, vocabulary;
  ConstTensor targets;
  Values logits, maximum;
  Doubles sums;
};

// Does what the ranks' two all-reduces do.
void combine(std::vector<Shard>& shards) {
  Values most = shards[0].maximum;
  for (const Shard& shard : shards) {
    for (std::size_t n = 0; n < most.size(); ++n) {
      most[n] = std::max(most[n], shard.maximum[n]);
    }
  }
  Doubles sums(2 * most.size());
  for (Shard& shard : shards) {
    launch_here(shard.rescale(most));
    for (std::size_t i = 0; i < sums.size(); ++i) {
      sums[i] += shard.sums[i];
    }
  }
  for (Shard& shard : shards) {
    shard.maximum = most;
    shard.sums = sums;
  }
}

// Computes the problem's logits and loss on so many ranks of so many columns
// each.
void run_on_shards(Problem& p, std::int64_t ranks, std::int64_t width) {
  std::vector<Shard> shards;
  for (std::int64_t r = 0; r < ranks; ++r) {
    launch_here(shards.emplace_back(p, r * width, width).statistics());
  }
  combine(shards);
  for (Shard& shard : shards) {
    launch_here(shard.loss_op(p.loss));
    launch_here(shard.gradient());
    for (std::int64_t n = 0; n < shard.N; ++n) {
      for (std::int64_t c = 0; c < width; ++c) {
        const float d = shard.logits[static_cast<std::size_t>(n * width + c)];
        if (shard.first + c < p.size.Vp) {
          p.logits[static_cast<std::size_t>(n * p.size.Vp + shard.first + c)] =
              d;
        } else {
          ASSERT_EQ(d, 0) << "padding";
        }
      }
    }
  }
}

void Problem::run() {
  run_on_shards(*this, 1, size.Vp);
}

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

// The loss is rounded once from f64. Each exponential in its sum has an error
// of 2^-22, and in blocks of 1024 over four lanes or more there are some 260
// roundings.
constexpr double kSum = (4 + 260) * kUnit;

// An exponential has an error of 2^-22, and its argument, up to |t| = 40 here,
// is rounded twice; the sum and a few products follow.
constexpr double kProbability = (4 + 2 * 0.7 * 40 + 10) * kUnit + kSum;

// Compares `p` after its run with its state before.
void expect_formula(const Problem& p, const Problem& before) {
  const Size size = p.size;
  for (std::int64_t n = 0; n < size.N; ++n) {
    const auto i = static_cast<std::size_t>(n);
    const Row want = expected_row(before, n);
    ASSERT_NEAR(p.loss[i], want.loss, kSum + 2 * kUnit * want.loss);
    for (std::int64_t v = 0; v < size.Vp; ++v) {
      const float actual = p.logits[static_cast<std::size_t>(n * size.Vp + v)];
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

TEST(CrossEntropy, IsTheFormulaAtAnySize) {
  on_every_instruction_set([] {
    for (const Size& size : kSizes) {
      SCOPED_TRACE(fmt::format("{} x {}", size.N, size.V));
      Problem p(size);
      const Problem before = p;
      p.run();
      expect_formula(p, before);
    }
  });
}

// The bounds are those of one rank: each shard's sum is as good as the whole
// one, and f64 combines them. With 1 and 3 columns on four ranks, and 17 on
// three of 16, some ranks have padding alone.
TEST(CrossEntropy, IsTheFormulaOnAnyNumberOfRanks) {
  for (const Size& size : kSizes) {
    for (const std::int64_t ranks : {1, 2, 3, 4}) {
      for (const std::int64_t unit : {1, 16}) {
        const std::int64_t parts = ranks * unit;
        const std::int64_t width = (size.Vp + parts - 1) / parts * unit;
        SCOPED_TRACE(fmt::format("{} on {} ranks of {}", size.V, ranks, width));
        Problem p(size);
        const Problem before = p;
        run_on_shards(p, ranks, width);
        expect_formula(p, before);
      }
    }
  }
}

// A rank of padding adds 0, and exp(0) is 1, so the bits are those of one rank.
TEST(CrossEntropy, IsTheSameWhereOtherRanksHaveOnlyPadding) {
  Problem alone({5, 1000, 1024});
  Problem among = alone;
  alone.run();
  run_on_shards(among, 3, 1024);
  EXPECT_EQ(among.loss, alone.loss);
  EXPECT_EQ(among.logits, alone.logits);
}

TEST(LogitStatistics, OfPaddingAloneAreThoseOfNothing) {
  const Problem p({2, 17, 20});
  Shard shard(p, 20, 10);
  launch_here(shard.statistics());
  for (const float maximum : shard.maximum) {
    EXPECT_EQ(maximum, -std::numeric_limits<float>::infinity());
  }
  EXPECT_EQ(shard.sums, Doubles(4));
}

TEST(LogitStatistics, HaveTheTargetsLogitWhereItIs) {
  const Problem p({7, 1000, 1024});
  Shard left(p, 0, 512);
  Shard right(p, 512, 512);
  launch_here(left.statistics());
  launch_here(right.statistics());
  for (std::size_t n = 0; n < 7; ++n) {
    const auto target = static_cast<std::size_t>(p.targets[n]);
    const float logit = p.logits[n * 1024 + target];
    EXPECT_EQ(left.sums[7 + n], target < 512 ? logit : 0);
    EXPECT_EQ(right.sums[7 + n], target < 512 ? 0 : logit);
  }
}

// The ranks' maxima are 2e4 apart: the smaller one's exponentials are 0, and
// the loss is the distance, or 0.
TEST(CrossEntropy, TakesHugeLogitsOnAnyRank) {
  for (const std::int64_t ranks : {1, 2, 4}) {
    Problem p({2, 64, 64});
    p.logits.assign(p.logits.size(), -1e4F);
    p.logits[3] = 1e4F;
    p.logits[64 + 60] = 1e4F;
    p.targets = {3, 5};
    run_on_shards(p, ranks, 64 / ranks);
    EXPECT_EQ(p.loss, (Values{0, 2e4F}));
    EXPECT_EQ(p.logits[3], 0);
    EXPECT_EQ(p.logits[64 + 60], 0.25F);
    EXPECT_EQ(p.logits[64 + 5], -0.25F);
  }
}

TEST(CrossEntropy, ReferenceIsTheDerivative) {
  const Doubles logits = {0.5, -1, 2, 0.1, -3};
  expect_gradient(row_of(logits, 3, 0.25).gradient,
                  differences(logits, [](const Doubles& at) {
                    return 0.25 * row_of(at, 3, 0.25).loss;
                  }));
}

// Worked by hand: log(V) for equal logits, however large they are.
TEST(CrossEntropy, IsTheLogarithmOfTheVocabularyWhereAllAreEqual) {
  for (const float value : {0.0F, 1e30F, -1e30F}) {
    Problem p({3, 1000, 1024});
    p.logits.assign(p.logits.size(), value);
    p.run();
    for (const float loss : p.loss) {
      EXPECT_NEAR(loss, std::log(1000.0), 8 * kUnit * std::log(1000.0));
    }
    EXPECT_NEAR(p.logits[500], 0.25 / 1000, 4 * kUnit * 0.25 / 1000);
  }
}

TEST(CrossEntropy, IgnoresRowsWithoutATarget) {
  for (const std::int64_t ranks : {1, 2, 4}) {
    Problem p({3, 17, 20});
    p.targets[1] = kIgnore;
    run_on_shards(p, ranks, 20 / ranks);
    EXPECT_EQ(p.loss[1], 0);
    EXPECT_GT(p.loss[0], 0);
    for (std::size_t v = 0; v < 20; ++v) {
      EXPECT_EQ(p.logits[20 + v], 0);
    }
  }
}

// -inf is a masked logit with probability 0. One of four ranks has nothing
// else.
TEST(CrossEntropy, TakesMaskedLogits) {
  for (const std::int64_t ranks : {1, 2, 4}) {
    Problem p({1, 4, 4});
    p.logits = {1, -std::numeric_limits<float>::infinity(), 1, 1};
    p.targets = {2};
    run_on_shards(p, ranks, 4 / ranks);
    EXPECT_NEAR(p.loss[0], std::log(3.0), 8 * kUnit);
    EXPECT_EQ(p.logits[1], 0);
  }
}

TEST(CrossEntropy, OfANonFiniteRowIsNotANumber) {
  on_every_instruction_set([] {
    for (const float bad : {std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
      for (const std::size_t place : {0, 5, 999}) {
        for (const std::int64_t ranks : {1, 4}) {
          Problem p({2, 1000, 1000});
          p.logits[place] = bad;
          run_on_shards(p, ranks, 1000 / ranks);
          EXPECT_FALSE(std::isfinite(p.loss[0])) << bad << " at " << place;
          EXPECT_TRUE(std::isfinite(p.loss[1]));
        }
      }
    }
  });
}

TEST(CrossEntropy, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    Problem p({67, 1001, 1008});
    p.run();
    return std::tuple(p.loss, p.logits);
  });
}

// A GPU finds out while it works.
TEST(CrossEntropy, NamesATargetOutOfRangeAndTouchesNothing) {
  for (const std::int32_t bad : {-1, 17, 19}) {  // 19 is padding
    Problem p({5, 17, 20});
    p.targets[3] = bad;
    Shard shard(p, 8, 8);
    const Values maximum = shard.maximum;
    try {
      launch_here(shard.statistics());
      FAIL() << bad << " was taken";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  ::testing::HasSubstr(
                      fmt::format("targets[3] is {}, wanted 0 to 16", bad)));
    }
    if (!tests_cuda()) {
      EXPECT_EQ(shard.maximum, maximum);
    }
  }
}

template <typename Op, typename Change>
void expect_refusal(Op op, const Change& change) {
  EXPECT_NO_THROW(check(op));
  change(op);
  EXPECT_THROW(check(op), Error);
}

TEST(CrossEntropy, RefusesOperandsThatDoNotFit) {
  Problem p({4, 6, 8});
  Shard shard(p, 0, 8);
  Values all(4);
  const Tensor three = tensor(all, {4}).rows(0, 3);
  const Tensor f32 = tensor(p.logits, {32});
  const auto refuses = [&](const auto& change) {
    expect_refusal(shard.statistics(), change);
    expect_refusal(shard.gradient(), change);
  };
  refuses([&](auto& op) { op.logits = f32; });
  refuses([&](auto& op) { op.maximum = three; });
  refuses([&](auto& op) { op.sums = f32.rows(0, 8).reshaped({2, 4}); });
  refuses([&](auto& op) { op.targets = op.targets.rows(0, 3); });
  refuses([&](auto& op) { op.targets = op.maximum; });
  refuses([](auto& op) { op.vocabulary = 0; });
  refuses([](auto& op) { op.first_column = -1; });
  expect_refusal(shard.gradient(), [](auto& op) { op.d_loss = {}; });
  expect_refusal(shard.rescale(all), [&](auto& op) { op.own = three; });
  expect_refusal(shard.rescale(all), [&](auto& op) { op.maximum = three; });
  expect_refusal(shard.loss_op(all), [&](auto& op) { op.loss = three; });
  expect_refusal(shard.loss_op(all), [&](auto& op) { op.targets = op.loss; });
}

TEST(CrossEntropy, TakesTimeOnTheSimulatorAndTouchesNothing) {
  const Problem p({4, 6, 8});
  Shard shard(p, 0, 8);
  const Shard before = shard;
  Values all(4);
  launch_on_simulator(shard.statistics());
  launch_on_simulator(shard.rescale(all));
  launch_on_simulator(shard.loss_op(all));
  launch_on_simulator(shard.gradient());
  EXPECT_EQ(shard.logits, before.logits);
  EXPECT_EQ(shard.sums, before.sums);
  EXPECT_EQ(all, Values(4));
}

}  // namespace
}  // namespace dure::kernels
