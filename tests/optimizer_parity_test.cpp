// Compares every optimizer on layouts of ranks with one rank: bit for bit with
// ranked sums; on tensor ranks within docs/numerics.md's bound of losses.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/optim/optimizer.h"
#include "tests/parity_run.h"

namespace dure {
namespace {

using train::Config;

constexpr int kSteps = 12;

// The embedding is at both ends of a pipeline, and some weights do not decay.
Config config_of(const optim::OptimizerRow& row) {
  Config config = small_gpt();
  config.optimizer.name = &row;
  config.optimizer.learning_rate = 2e-3;
  return config;
}

class OptimizerParity
    : public testing::TestWithParam<const optim::OptimizerRow*> {};

INSTANTIATE_TEST_SUITE_P(Rows,
                         OptimizerParity,
                         testing::ValuesIn(optim::optimizers().begin(),
                                           optim::optimizers().end()),
                         [](const auto& row) {
                           return std::string(row.param->name);
                         });

TEST_P(OptimizerParity, ShardsAndStagesChangeNoBit) {
  const Config config = config_of(*GetParam());
  using parallel::ScheduleKind;
  const std::vector<Layout> layouts = {
      {.data = 4, .zero = 0, .micro_batches = 2},
      {.data = 4, .zero = 1, .micro_batches = 2},
      {.data = 4, .zero = 2, .micro_batches = 2},
      {.data = 4, .zero = 3, .micro_batches = 2},
      {.data = 4, .zero = 2, .zero_group = 2, .micro_batches = 2},
      {.pipe = 2, .micro_batches = 8},
      {.pipe = 2,
       .data = 2,
       .zero = 1,
       .schedule = ScheduleKind::kZbV,
       .micro_batches = 4}};
  const ParityOutcome one = run_layout(config, alone(layouts[0]), kSteps);
  EXPECT_LT(one.losses.back(), one.losses.front());
  for (const Layout& layout : layouts) {
    SCOPED_TRACE(text(layout));
    expect_same(run_layout(config, layout, kSteps), one);
  }
}

// They also agree to the bit with the same tensor ranks alone, whatever the
// shards.
TEST_P(OptimizerParity, TensorRanksAgreeWithinTheBound) {
  const Config config = config_of(*GetParam());
  for (const bool sequence : {false, true}) {
    Layout layout = {.tensor = 2, .sequence = sequence, .micro_batches = 4};
    const ParityOutcome one = run_layout(config, alone(layout), kSteps);
    const ParityOutcome tensor = run_layout(config, layout, kSteps);
    EXPECT_LT(worst(tensor.losses, one.losses), 1e-5);
    layout.data = 2;
    layout.micro_batches = 2;
    for (const int zero : {0, 3}) {
      layout.zero = zero;
      SCOPED_TRACE(text(layout));
      expect_same(run_layout(config, layout, kSteps), tensor);
    }
  }
}

}  // namespace
}  // namespace dure
