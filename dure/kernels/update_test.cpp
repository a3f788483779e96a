#include "dure/kernels/update.h"

#include <limits>
#include <tuple>

#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

// Three parameters of different sizes, the last without decay.
struct Problem {
  Problem() {
    for (const std::int64_t n : {5, 64, 70001}) {
      sizes.push_back(n);
      weights.push_back(random_values(n, "weight"));
      gradients.push_back(random_values(n, "gradient", 0.1));
      momenta.emplace_back(static_cast<std::size_t>(n));
      variances.emplace_back(static_cast<std::size_t>(n));
    }
  }

  std::vector<AdamWSpan> adamw_spans() {
    std::vector<AdamWSpan> spans;
    for (std::size_t s = 0; s < sizes.size(); ++s) {
      spans.push_back({.weight = tensor(weights[s], {sizes[s]}),
                       .gradient = tensor(gradients[s], {sizes[s]}),
                       .momentum = tensor(momenta[s], {sizes[s]}),
                       .variance = tensor(variances[s], {sizes[s]}),
                       .weight_decay = decay(s)});
    }
    return spans;
  }
  std::vector<SgdSpan> sgd_spans() {
    std::vector<SgdSpan> spans;
    for (std::size_t s = 0; s < sizes.size(); ++s) {
      spans.push_back({.weight = tensor(weights[s], {sizes[s]}),
                       .gradient = tensor(gradients[s], {sizes[s]}),
                       .momentum = tensor(momenta[s], {sizes[s]}),
                       .weight_decay = decay(s)});
    }
    return spans;
  }
  static float decay(std::size_t span) { return span == 2 ? 0.0F : 0.1F; }

  std::vector<std::int64_t> sizes;
  std::vector<Values> weights, gradients, momenta, variances;
};

constexpr double kRate = 1e-2;
constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.95;
constexpr double kEpsilon = 1e-8;
constexpr double kScale = 0.5;

// Algorithm 2 of the paper, in double.
Doubles adamw_in_double(const Values& start,
                        const Values& gradient,
                        double decay,
                        int steps) {
  Doubles w = doubles(start);
  for (std::size_t i = 0; i < w.size(); ++i) {
    double m = 0;
    double v = 0;
    for (int t = 1; t <= steps; ++t) {
      const double g = kScale * gradient[i];
      m = kBeta1 * m + (1 - kBeta1) * g;
      v = kBeta2 * v + (1 - kBeta2) * g * g;
      const double m_hat = m / (1 - std::pow(kBeta1, t));
      const double v_hat = v / (1 - std::pow(kBeta2, t));
      w[i] -= kRate * (m_hat / (std::sqrt(v_hat) + kEpsilon) + decay * w[i]);
    }
  }
  return w;
}

AdamW adamw(const std::vector<AdamWSpan>& spans, std::int64_t step) {
  return {.spans = spans,
          .learning_rate = static_cast<float>(kRate),
          .beta1 = static_cast<float>(kBeta1),
          .beta2 = static_cast<float>(kBeta2),
          .epsilon = static_cast<float>(kEpsilon),
          .step = step,
          .grad_scale = static_cast<float>(kScale)};
}

// A step rounds the weight a few times; the change itself, of size 0.01, is off
// by what 0.95 is when rounded to f32 (2^-26 relative), over 1 - 0.95.
TEST(AdamW, IsTheAlgorithmOverSeveralSteps) {
  on_every_instruction_set([] {
    Problem p;
    const Problem start = p;
    constexpr int kSteps = 5;
    for (int t = 1; t <= kSteps; ++t) {
      launch_on_cpu(adamw(p.adamw_spans(), t));
    }
    for (std::size_t s = 0; s < p.sizes.size(); ++s) {
      SCOPED_TRACE(s);
      expect_near(
          p.weights[s],
          adamw_in_double(
              start.weights[s], start.gradients[s], Problem::decay(s), kSteps),
          4 * kSteps);
    }
  });
}

// By hand: the first step moves a weight by learning_rate, whatever the size of
// its gradient, against its sign.
TEST(AdamW, FirstStepIsTheRateAgainstTheSign) {
  Values w = {1, 1};
  const Values g = {1e-3F, -100};
  Values m(2);
  Values v(2);
  const std::vector<AdamWSpan> spans = {{.weight = tensor(w, {2}),
                                         .gradient = tensor(g, {2}),
                                         .momentum = tensor(m, {2}),
                                         .variance = tensor(v, {2})}};
  launch_on_cpu(AdamW{.spans = spans, .learning_rate = 0.25F});
  EXPECT_NEAR(w[0], 0.75F, 1e-5);  // epsilon is 1e-5 of the gradient
  EXPECT_NEAR(w[1], 1.25F, 1e-6);
}

TEST(AdamW, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    Problem p;
    launch_on_cpu(adamw(p.adamw_spans(), 1));
    return std::tuple(p.weights, p.momenta, p.variances);
  });
}

TEST(Sgd, IsTheFormulaWithAndWithoutMomentum) {
  on_every_instruction_set([] {
    for (const double momentum : {0.0, 0.9}) {
      Problem p;
      const Problem start = p;
      const auto spans = p.sgd_spans();
      const Sgd op = {.spans = spans,
                      .learning_rate = static_cast<float>(kRate),
                      .momentum = static_cast<float>(momentum),
                      .grad_scale = static_cast<float>(kScale)};
      launch_on_cpu(op);
      launch_on_cpu(op);
      for (std::size_t s = 0; s < p.sizes.size(); ++s) {
        Doubles w = doubles(start.weights[s]);
        for (std::size_t i = 0; i < w.size(); ++i) {
          double m = 0;
          for (int t = 0; t < 2; ++t) {
            m = momentum * m + kScale * start.gradients[s][i];
            w[i] -= kRate * (m + Problem::decay(s) * w[i]);
          }
        }
        expect_near(p.weights[s], w, 8);
      }
    }
  });
}

std::vector<ExactSum> squared_norms(const std::vector<ConstTensor>& spans) {
  std::vector<ExactSum> sums(spans.size());
  launch_on_cpu(SquaredNorm{.sums = sums, .spans = spans});
  return sums;
}

// The order within a group is the one that cpu/update.cpp says.
ExactSum squares_by_the_formula(const Values& values) {
  constexpr std::size_t kGroup = SquaredNorm::kGroup;
  Doubles x = doubles(values);
  x.resize((x.size() + kGroup - 1) / kGroup * kGroup);
  ExactSum sum;
  for (std::size_t i = 0; i < x.size(); i += kGroup) {
    const auto p = [&](std::size_t j) {
      const double a = x[i + j];
      const double b = x[i + j + 8];
      return a * a + b * b;
    };
    sum.add(((p(0) + p(1)) + (p(2) + p(3))) + ((p(4) + p(5)) + (p(6) + p(7))));
  }
  return sum;
}

// Values of all sizes, so that another order would have other bits.
Values values_of_all_sizes(std::int64_t count, const char* name) {
  Values values = random_values(count, name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::ldexp(values[i], static_cast<int>(i * 37 % 23));
  }
  return values;
}

TEST(SquaredNorm, IsTheFormulaToTheBitOnEveryInstructionSet) {
  for (const std::int64_t count : {0, 1, 15, 16, 17, 127, 129, 1000, 50001}) {
    const Values x = values_of_all_sizes(count, "squares");
    const ExactSum expected = squares_by_the_formula(x);
    on_every_instruction_set([&] {
      EXPECT_EQ(squared_norms({tensor(x, {count})})[0], expected) << count;
    });
  }
}

// A group as small beside the others as to be, or not to be, within the three
// cuts of cpu/exact_sum-inl.h: those end some 2^38 below the largest element.
TEST(SquaredNorm, IsTheFormulaWhateverTheSpreadOfSizes) {
  Values x = random_values(3000, "spread");
  for (int exponent = 0; exponent < 80; ++exponent) {
    for (std::size_t i = 1600; i < 1616; ++i) {
      x[i] = std::ldexp(x[i - 16], -exponent);
    }
    const ExactSum expected = squares_by_the_formula(x);
    on_every_instruction_set([&] {
      EXPECT_EQ(squared_norms({tensor(x, {3000})})[0], expected) << exponent;
    });
  }
}

TEST(SquaredNorm, IsWithinRoundingOfAGroupOfTheTrueSum) {
  const Values x = values_of_all_sizes(100000, "near");
  ExactSum exact;
  for (const float value : x) {
    exact.add(static_cast<double>(value) * value);  // without rounding
  }
  // Four additions, each of terms of one sign.
  EXPECT_NEAR(squared_norms({tensor(x, {100000})})[0].value(),
              exact.value(),
              4 * 0x1p-53 * exact.value());
}

TEST(SquaredNorm, HoldsTheLargestAndTheSmallestFloats) {
  const float largest = std::numeric_limits<float>::max();
  const float least = std::numeric_limits<float>::denorm_min();
  Values x(1000, largest);
  x.resize(1016, least);
  x[0] = least;
  on_every_instruction_set([&] {
    const ExactSum sum = squared_norms({tensor(x, {1016})})[0];
    EXPECT_EQ(sum, squares_by_the_formula(x));
    const double square = static_cast<double>(largest) * largest;
    EXPECT_EQ(sum.value(), 999 * square);  // the least are below its last bit
  });
  const Values tiny(48, least);
  EXPECT_EQ(squared_norms({tensor(tiny, {48})})[0].value(), 48 * 0x1p-298);
}

TEST(SquaredNorm, ShowsWhichTensorIsNotFinite) {
  Values good(100, 1);
  for (const float bad_value : {std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::quiet_NaN()}) {
    Values bad(100, 1);
    bad[77] = bad_value;
    const auto sums = squared_norms({tensor(good, {100}), tensor(bad, {100})});
    EXPECT_EQ(sums[0].value(), 100);
    EXPECT_FALSE(std::isfinite(sums[1].value()));
  }
}

// As ZeRO cuts a weight: ranks that hold parts of it, of any lengths that are
// multiples of a group.
TEST(SquaredNorm, PartsAddUpToTheWholeToTheBit) {
  constexpr std::int64_t kCount = 16 * 1000 + 5;
  const Values x = values_of_all_sizes(kCount, "cut");
  const ExactSum whole = squared_norms({tensor(x, {kCount})})[0];
  for (const std::int64_t ranks : {2, 3, 7, 16}) {
    std::vector<ConstTensor> parts;
    for (std::int64_t r = 0; r < ranks; ++r) {
      const auto cut = [&](std::int64_t rank) {
        return rank == ranks ? kCount : 1000 * rank / ranks * 16;
      };
      parts.push_back({x.data() + cut(r), {cut(r + 1) - cut(r)}});
    }
    ExactSum sum;
    for (const ExactSum& part : squared_norms(parts)) {
      sum.add(part);
    }
    EXPECT_EQ(sum, whole) << ranks;
  }
}

TEST(SquaredNorm, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Values x = values_of_all_sizes(200000, "long");
  const Values y = values_of_all_sizes(77777, "also");
  expect_same_bits_on_any_threads([&] {
    return squared_norms({tensor(x, {200000}), tensor(y, {77777})});
  });
}

TEST(Update, RefusesSpansThatDoNotFit) {
  Problem p;
  auto spans = p.adamw_spans();
  EXPECT_NO_THROW(check(adamw(spans, 1)));
  EXPECT_THROW(check(adamw(spans, 0)), Error);
  spans[1].variance = spans[0].variance;
  EXPECT_THROW(check(adamw(spans, 1)), Error);
  auto sgd = p.sgd_spans();
  sgd[0].momentum = {};
  EXPECT_NO_THROW(check(Sgd{.spans = sgd}));
  EXPECT_THROW(check(Sgd{.spans = sgd, .momentum = 0.9F}), Error);
  const std::vector<ConstTensor> one(1);
  EXPECT_THROW(check(SquaredNorm{.sums = {}, .spans = one}), Error);
}

TEST(Update, TakesTimeOnTheSimulatorAndTouchesNothing) {
  Problem p;
  const Problem before = p;
  launch_on_simulator(adamw(p.adamw_spans(), 1));
  const auto spans = p.sgd_spans();
  launch_on_simulator(Sgd{.spans = spans, .momentum = 0.9F});
  EXPECT_EQ(p.weights, before.weights);
  EXPECT_EQ(p.momenta, before.momenta);
}

}  // namespace
}  // namespace dure::kernels
