#include "dure/kernels/adamw.h"

#include <tuple>

#include "dure/kernels/update_testing.h"

namespace dure::kernels {
namespace {

constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.95;
constexpr double kEpsilon = 1e-8;

// Computes algorithm 2 of the paper in double.
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

Values control_at(int t, double rate = kRate, double scale = kScale) {
  return control_of(
      {static_cast<float>(rate),
       static_cast<float>(rate / (1 - std::pow(kBeta1, t))),
       static_cast<float>(1 / std::sqrt(1 - std::pow(kBeta2, t)))},
      scale);
}

AdamW adamw(const std::vector<UpdateSpan>& spans, const Values& control) {
  return {.spans = spans,
          .control = tensor_of(control),
          .beta1 = static_cast<float>(kBeta1),
          .beta2 = static_cast<float>(kBeta2),
          .epsilon = static_cast<float>(kEpsilon)};
}

// A step rounds the weight a few times. The change itself, of size 0.01, has
// the error of 0.95 in f32 (2^-26 relative), divided by 1 - 0.95.
TEST(AdamW, IsTheAlgorithmOverSeveralSteps) {
  on_every_instruction_set([] {
    UpdateProblem p;
    const UpdateProblem start = p;
    constexpr int kSteps = 5;
    for (int t = 1; t <= kSteps; ++t) {
      launch_here(adamw(p.spans(), control_at(t)));
    }
    for (std::size_t s = 0; s < p.sizes.size(); ++s) {
      SCOPED_TRACE(s);
      expect_near(p.weights[s],
                  adamw_in_double(start.weights[s],
                                  start.gradients[s],
                                  UpdateProblem::decay(s),
                                  kSteps),
                  4 * kSteps);
    }
  });
}

// Worked by hand: the first step moves a weight by learning_rate, against the
// sign of its gradient, whatever the gradient's size.
TEST(AdamW, FirstStepIsTheRateAgainstTheSign) {
  Values w = {1, 1};
  const Values g = {1e-3F, -100};
  Values m(2);
  Values v(2);
  const std::vector<UpdateSpan> spans = {
      {.master = tensor(w, {2}),
       .weight = tensor(w, {2}),
       .gradient = tensor(g, {2}),
       .states = {tensor(m, {2}), tensor(v, {2})}}};
  launch_here(adamw(spans, control_at(1, 0.25, 1)));
  EXPECT_NEAR(w[0], 0.75F, 1e-5);  // epsilon is 1e-5 of the gradient
  EXPECT_NEAR(w[1], 1.25F, 1e-6);
}

// A weight beside its master gets the value that a single one would have.
TEST(AdamW, WritesTheWeightBesideItsMaster) {
  UpdateProblem p;
  UpdateProblem q;
  std::vector<UpdateSpan> spans = p.spans();
  std::vector<Values> weights = p.weights;
  for (std::size_t s = 0; s < spans.size(); ++s) {
    weights[s].assign(weights[s].size(), 0);
    spans[s].weight = tensor(weights[s], {p.sizes[s]});
  }
  launch_here(adamw(spans, control_at(1)));
  launch_here(adamw(q.spans(), control_at(1)));
  EXPECT_EQ(p.weights, q.weights);
  EXPECT_EQ(weights, q.weights);
}

TEST(AdamW, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    UpdateProblem p;
    launch_here(adamw(p.spans(), control_at(1)));
    return std::tuple(p.weights, p.momenta, p.variances);
  });
}

TEST(AdamW, ChangesNothingWhereItIsLeftOutOrSimulated) {
  expect_nothing_changes([](UpdateProblem& p) {
    Values control = control_at(1);
    control[kIsUpdated] = 0;
    launch_here(adamw(p.spans(), control));
  });
  expect_nothing_changes([](UpdateProblem& p) {
    launch_on_simulator(adamw(p.spans(), control_at(1)));
  });
}

TEST(AdamW, RefusesSpansThatDoNotFit) {
  UpdateProblem p;
  auto spans = p.spans();
  EXPECT_NO_THROW(check(adamw(spans, control_at(1))));
  EXPECT_THROW(check(adamw(spans, {1, 1})), Error);
  spans[1].states[1] = spans[0].states[1];
  EXPECT_THROW(check(adamw(spans, control_at(1))), Error);
}

}  // namespace
}  // namespace dure::kernels
