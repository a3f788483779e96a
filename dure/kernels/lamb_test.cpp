#include "dure/kernels/lamb.h"

#include <tuple>

#include "dure/kernels/squared_norm.h"
#include "dure/kernels/update_testing.h"

namespace dure::kernels {
namespace {

constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr double kEpsilon = 1e-6;

Values control_at(int t) {
  return control_of(
      {static_cast<float>(kRate),
       static_cast<float>(1 / (1 - std::pow(kBeta1, t))),
       static_cast<float>(1 / std::sqrt(1 - std::pow(kBeta2, t)))});
}

// Runs both operations, with the sums of all spans between.
void lamb(const std::vector<UpdateSpan>& spans, const Values& control) {
  std::vector<std::int64_t> digits(
      static_cast<std::size_t>(3 * kLambSums * kSumDigits));
  const Tensor sums(digits.data(), {3, kLambSums, kSumDigits});
  launch_here(LambMeasure{.sums = sums,
                          .spans = spans,
                          .control = tensor_of(control),
                          .beta1 = static_cast<float>(kBeta1),
                          .beta2 = static_cast<float>(kBeta2),
                          .epsilon = static_cast<float>(kEpsilon)});
  launch_here(LambUpdate{.spans = spans,
                         .control = tensor_of(control),
                         .sums = sums,
                         .epsilon = static_cast<float>(kEpsilon)});
}

double norm_of(const Doubles& x) {
  double sum = 0;
  for (const double value : x) {
    sum += value * value;
  }
  return std::sqrt(sum);
}

double ratio_of(double weight, double move) {
  return weight > 0 && move > 0 ? std::min(weight, 10.0) / move : 1;
}

// Computes algorithm 2 of the paper in double.
Doubles lamb_in_double(const Values& start,
                       const Values& gradient,
                       double decay,
                       int steps) {
  Doubles w = doubles(start);
  Doubles m(w.size());
  Doubles v(w.size());
  Doubles u(w.size());
  for (int t = 1; t <= steps; ++t) {
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double g = kScale * gradient[i];
      m[i] = kBeta1 * m[i] + (1 - kBeta1) * g;
      v[i] = kBeta2 * v[i] + (1 - kBeta2) * g * g;
      u[i] = m[i] / (1 - std::pow(kBeta1, t)) /
                 (std::sqrt(v[i] / (1 - std::pow(kBeta2, t))) + kEpsilon) +
             decay * w[i];
    }
    const double ratio = ratio_of(norm_of(w), norm_of(u));
    for (std::size_t i = 0; i < w.size(); ++i) {
      w[i] -= kRate * ratio * u[i];
    }
  }
  return w;
}

// The last span's norm is above 10. A step rounds the weight a few times. Its
// size of 0.01 has the error of 0.999 in f32 (2^-25 relative), divided by 1 -
// 0.999: 2^-15 of it, or 5 in units of 2^-24 of a weight of size 1.
TEST(Lamb, IsTheAlgorithmOverSeveralSteps) {
  on_every_instruction_set([] {
    UpdateProblem p;
    const UpdateProblem start = p;
    constexpr int kSteps = 5;
    for (int t = 1; t <= kSteps; ++t) {
      lamb(p.spans(), control_at(t));
    }
    for (std::size_t s = 0; s < p.sizes.size(); ++s) {
      SCOPED_TRACE(s);
      expect_near(p.weights[s],
                  lamb_in_double(start.weights[s],
                                 start.gradients[s],
                                 UpdateProblem::decay(s),
                                 kSteps),
                  12 * kSteps);
    }
  });
}

// Worked by hand: u is the gradient's sign at t = 1, so |u| = 2; |w| = 5.
// = 5.
TEST(Lamb, MovesByAShareOfTheWeightsNorm) {
  Values w = {3, 0, 4, 0};
  const Values g = {1e3F, -1e3F, 1e3F, -1e3F};
  Values m(4);
  Values v(4);
  lamb({{.master = tensor(w, {4}),
         .weight = tensor(w, {4}),
         .gradient = tensor(g, {4}),
         .states = {tensor(m, {4}), tensor(v, {4})}}},
       control_at(1));
  constexpr double kMove = kRate * 5 / 2;
  EXPECT_NEAR(w[0], 3 - kMove, 1e-5);
  EXPECT_NEAR(w[1], kMove, 1e-5);
  EXPECT_NEAR(w[2], 4 - kMove, 1e-5);
}

// The ratio is 1 for a weight of zeros, and for a gradient of zeros without
// decay.
TEST(Lamb, TakesTheRatioForOneWhereANormIsZero) {
  Values w(4);
  Values still = {1, 2, 3, 4};
  const Values g = {1e3F, -1e3F, 1e3F, -1e3F};
  const Values none(4);
  Values m(8);
  Values v(8);
  const auto part = [](Values& x, std::int64_t first) {
    return Tensor(x.data() + first, {4});
  };
  lamb({{.master = tensor(w, {4}),
         .weight = tensor(w, {4}),
         .gradient = tensor(g, {4}),
         .states = {part(m, 0), part(v, 0)}},
        {.master = tensor(still, {4}),
         .weight = tensor(still, {4}),
         .gradient = tensor(none, {4}),
         .states = {part(m, 4), part(v, 4)},
         .row = 1}},
       control_at(1));
  EXPECT_NEAR(w[0], -kRate, 1e-7);
  EXPECT_NEAR(w[1], kRate, 1e-7);
  EXPECT_EQ(still, (Values{1, 2, 3, 4}));
}

// The weight is in two spans. This rank counts only one of them, and another
// rank would count the other: the norms are the whole's.
TEST(Lamb, PartsOfAWeightMoveAsTheWhole) {
  UpdateProblem whole;
  UpdateProblem parts;
  lamb(whole.spans(), control_at(1));
  std::vector<UpdateSpan> spans = parts.spans();
  UpdateSpan rest = spans[2];
  const auto cut = [](UpdateSpan& span, std::int64_t first, std::int64_t n) {
    span.master = span.master.rows(first, n);
    span.weight = span.weight.rows(first, n);
    span.gradient = span.gradient.rows(first, n);
    for (Tensor& state : span.states) {
      state = state.rows(first, n);
    }
  };
  cut(rest, 160, 70001 - 160);
  cut(spans[2], 0, 160);
  spans.push_back(rest);
  lamb(spans, control_at(1));
  EXPECT_EQ(parts.weights, whole.weights);
}

TEST(Lamb, CountsWhatIsCountedByThisRank) {
  UpdateProblem p;
  auto spans = p.spans();
  std::vector<std::int64_t> digits(
      static_cast<std::size_t>(3 * kLambSums * kSumDigits));
  spans[1].counted = CountedBy::kAnother;
  const Values control = control_at(1);
  launch_here(
      LambMeasure{.sums = Tensor(digits.data(), {3, kLambSums, kSumDigits}),
                  .spans = spans,
                  .control = tensor_of(control)});
  const auto value = [&](std::size_t row) {
    constexpr auto kDigits = static_cast<std::size_t>(kSumDigits);
    return ExactSum(std::span(digits).subspan(row * kDigits).first<kDigits>())
        .value();
  };
  EXPECT_GT(value(0), 0);
  EXPECT_GT(value(1), 0);
  EXPECT_EQ(value(2), 0);
  EXPECT_EQ(value(3), 0);
  EXPECT_GT(value(4), 0);
}

TEST(Lamb, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    UpdateProblem p;
    lamb(p.spans(), control_at(1));
    return std::tuple(p.weights, p.momenta, p.variances);
  });
}

TEST(Lamb, ChangesNothingWhereItIsLeftOut) {
  expect_nothing_changes([](UpdateProblem& p) {
    Values control = control_at(1);
    control[kIsUpdated] = 0;
    lamb(p.spans(), control);
  });
}

TEST(Lamb, RefusesSpansOfWeightsWithoutSums) {
  UpdateProblem p;
  auto spans = p.spans();
  std::vector<std::int64_t> digits(
      static_cast<std::size_t>(3 * kLambSums * kSumDigits));
  const Values control = control_at(1);
  const LambUpdate op = {
      .spans = spans,
      .control = tensor_of(control),
      .sums = ConstTensor(digits.data(), {3, kLambSums, kSumDigits})};
  EXPECT_NO_THROW(check(op));
  spans[0].row = 3;
  EXPECT_THROW(check(op), Error);
}

}  // namespace
}  // namespace dure::kernels
