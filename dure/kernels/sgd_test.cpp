#include "dure/kernels/sgd.h"

#include "dure/kernels/update_testing.h"

namespace dure::kernels {
namespace {

const Values kControl = control_of({static_cast<float>(kRate)});

Sgd sgd(const std::vector<UpdateSpan>& spans, double momentum) {
  return {.spans = spans,
          .control = tensor_of(kControl),
          .momentum = static_cast<float>(momentum)};
}

TEST(Sgd, IsTheFormulaWithAndWithoutMomentum) {
  on_every_instruction_set([] {
    for (const double momentum : {0.0, 0.9}) {
      UpdateProblem p;
      const UpdateProblem start = p;
      launch_here(sgd(p.spans(), momentum));
      launch_here(sgd(p.spans(), momentum));
      for (std::size_t s = 0; s < p.sizes.size(); ++s) {
        Doubles w = doubles(start.weights[s]);
        for (std::size_t i = 0; i < w.size(); ++i) {
          double m = 0;
          for (int t = 0; t < 2; ++t) {
            m = momentum * m + kScale * start.gradients[s][i];
            w[i] -= kRate * (m + UpdateProblem::decay(s) * w[i]);
          }
        }
        expect_near(p.weights[s], w, 8);
      }
    }
  });
}

TEST(Sgd, NeedsAStateOnlyForMomentum) {
  UpdateProblem p;
  auto spans = p.spans();
  spans[0].states = {};
  EXPECT_NO_THROW(check(sgd(spans, 0)));
  EXPECT_THROW(check(sgd(spans, 0.9)), Error);
}

TEST(Sgd, ChangesNothingWhereItIsLeftOutOrSimulated) {
  expect_nothing_changes([](UpdateProblem& p) {
    Values left_out = kControl;
    left_out[kIsUpdated] = 0;
    const auto spans = p.spans();
    launch_here(Sgd{.spans = spans, .control = tensor_of(left_out)});
  });
  expect_nothing_changes(
      [](UpdateProblem& p) { launch_on_simulator(sgd(p.spans(), 0.9)); });
}

}  // namespace
}  // namespace dure::kernels
