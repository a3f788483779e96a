#include "dure/kernels/lion.h"

#include <tuple>

#include "dure/kernels/update_testing.h"

namespace dure::kernels {
namespace {

constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.99;

const Values kControl = control_of({static_cast<float>(kRate)});

Lion lion(const std::vector<UpdateSpan>& spans,
          const Values& control = kControl) {
  return {.spans = spans,
          .control = tensor_of(control),
          .beta1 = static_cast<float>(kBeta1),
          .beta2 = static_cast<float>(kBeta2)};
}

double sign_of(double x) {
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

// Computes algorithm 2 of the paper in double. A step's gradients are those of
// the first times a factor, so that means change their sign.
double factor(int step) {
  return step % 3 == 2 ? -20 : 1;
}

Doubles lion_in_double(const Values& start,
                       const Values& gradient,
                       double decay,
                       int steps) {
  Doubles w = doubles(start);
  for (std::size_t i = 0; i < w.size(); ++i) {
    double m = 0;
    for (int t = 0; t < steps; ++t) {
      const double g = kScale * factor(t) * gradient[i];
      w[i] -= kRate * (sign_of(kBeta1 * m + (1 - kBeta1) * g) + decay * w[i]);
      m = kBeta2 * m + (1 - kBeta2) * g;
    }
  }
  return w;
}

// A step rounds the weight twice.
TEST(Lion, IsTheAlgorithmOverSeveralSteps) {
  on_every_instruction_set([] {
    UpdateProblem p;
    const UpdateProblem start = p;
    constexpr int kSteps = 5;
    for (int t = 0; t < kSteps; ++t) {
      for (std::size_t s = 0; s < p.sizes.size(); ++s) {
        for (std::size_t i = 0; i < p.gradients[s].size(); ++i) {
          p.gradients[s][i] =
              static_cast<float>(factor(t)) * start.gradients[s][i];
        }
      }
      launch_here(lion(p.spans()));
    }
    for (std::size_t s = 0; s < p.sizes.size(); ++s) {
      SCOPED_TRACE(s);
      expect_near(p.weights[s],
                  lion_in_double(start.weights[s],
                                 start.gradients[s],
                                 UpdateProblem::decay(s),
                                 kSteps),
                  2 * kSteps);
    }
  });
}

TEST(Lion, DoesNotMoveWhereMeanAndGradientAreZero) {
  Values w = {1, -2};
  const Values g = {0, -0.0F};
  Values m(2);
  const std::vector<UpdateSpan> spans = {{.master = tensor(w, {2}),
                                          .weight = tensor(w, {2}),
                                          .gradient = tensor(g, {2}),
                                          .states = {tensor(m, {2})}}};
  launch_here(lion(spans));
  EXPECT_EQ(w, (Values{1, -2}));
}

TEST(Lion, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    UpdateProblem p;
    launch_here(lion(p.spans()));
    return std::tuple(p.weights, p.momenta);
  });
}

TEST(Lion, ChangesNothingWhereItIsLeftOutOrSimulated) {
  expect_nothing_changes([](UpdateProblem& p) {
    Values control = kControl;
    control[kIsUpdated] = 0;
    launch_here(lion(p.spans(), control));
  });
  expect_nothing_changes(
      [](UpdateProblem& p) { launch_on_simulator(lion(p.spans())); });
}

}  // namespace
}  // namespace dure::kernels
