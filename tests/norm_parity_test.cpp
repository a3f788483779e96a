// Every norm, with a bias and without, on layouts of ranks, against one rank:
// bit for bit with ranked sums; on tensor ranks within docs/numerics.md's
// bound.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/nn/norms.h"
#include "tests/parity_run.h"

namespace dure {
namespace {

using train::Config;

constexpr int kSteps = 8;

struct Case {
  const nn::NormRow* norm;
  model::NormBias bias;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const nn::NormRow* norm : nn::norms()) {
    all.push_back({norm, model::NormBias::kNo});
    if (norm->takes_bias) {
      all.push_back({norm, model::NormBias::kYes});
    }
  }
  return all;
}

Config config_of(const Case& c) {
  Config config = small_gpt();
  config.model.norm = c.norm;
  config.model.norm_bias = c.bias;
  return config;
}

class NormParity : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    Norms, NormParity, testing::ValuesIn(cases()), [](const auto& one) {
      return std::string(one.param.norm->name) +
             (one.param.bias == model::NormBias::kYes ? "_with_bias" : "");
    });

TEST_P(NormParity, ShardsAndStagesChangeNoBit) {
  const Config config = config_of(GetParam());
  const std::vector<Layout> layouts = {
      {.data = 4, .zero = 3, .micro_batches = 2},
      {.pipe = 2,
       .data = 2,
       .zero = 1,
       .schedule = parallel::ScheduleKind::kZbV,
       .micro_batches = 4,
       .recompute = model::Recompute::kSelective}};
  const ParityOutcome one = run_layout(config, alone(layouts[0]), kSteps);
  EXPECT_LT(one.losses.back(), one.losses.front());
  for (const Layout& layout : layouts) {
    SCOPED_TRACE(text(layout));
    expect_same(run_layout(config, layout, kSteps), one);
  }
}

TEST_P(NormParity, TensorRanksAgreeWithinTheBound) {
  const Config config = config_of(GetParam());
  for (const bool sequence : {false, true}) {
    const Layout layout = {
        .tensor = 2, .sequence = sequence, .micro_batches = 4};
    SCOPED_TRACE(text(layout));
    const ParityOutcome one = run_layout(config, alone(layout), kSteps);
    EXPECT_LT(worst(run_layout(config, layout, kSteps).losses, one.losses),
              1e-5);
  }
}

}  // namespace
}  // namespace dure
