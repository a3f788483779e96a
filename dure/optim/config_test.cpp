#include "dure/optim/config.h"

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::optim {
namespace {

TEST(OptimizerConfig, RefusesAMinimumAboveTheRate) {
  OptimizerConfig config{
      .learning_rate = 1e-4, .minimum_learning_rate = 1e-4, .decay_steps = 10};
  EXPECT_NO_THROW(validate(config));
  config.minimum_learning_rate = 2e-4;
  EXPECT_THROW(validate(config), UsageError);
}

TEST(OptimizerConfig, RefusesWarmupThatOutlastsTheDecay) {
  OptimizerConfig config{.warmup_steps = 10, .decay_steps = 10};
  EXPECT_THROW(validate(config), UsageError);
  config.decay = DecayKind::kInverseSquareRoot;  // has no end
  EXPECT_NO_THROW(validate(config));
}

TEST(OptimizerConfig, KnowsTheBytesOfItsStates) {
  EXPECT_EQ(state_bytes_per_parameter({}), 8);  // two f32 means
  OptimizerConfig sgd{.name = OptimizerKind::kSgd, .momentum = 0.9};
  EXPECT_EQ(state_bytes_per_parameter(sgd), 4);
  sgd.momentum = 0;
  EXPECT_EQ(state_bytes_per_parameter(sgd), 0);
}

}  // namespace
}  // namespace dure::optim
