#include "dure/optim/config.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/optim/optimizer.h"
#include "dure/optim/sgd.h"

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

TEST(OptimizerConfig, TakesWhatItsRowGives) {
  OptimizerConfig config;
  resolve(config, 70);
  EXPECT_EQ(config.beta1, 0.9);
  EXPECT_EQ(config.beta2, 0.95);
  EXPECT_EQ(config.epsilon, 1e-8);
  EXPECT_EQ(config.decay_steps, 70);
  config.beta2 = 0.5;
  resolve(config, 70);
  EXPECT_EQ(config.beta2, 0.5);
}

// All that reads a row reads all of it.
TEST(Optimizers, AreRowsWithNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const OptimizerRow* row : optimizers()) {
    SCOPED_TRACE(row->name);
    EXPECT_TRUE(names.insert(row->name).second);
    EXPECT_EQ(&optimizer(row->name), row);
    EXPECT_LE(row->states({.name = row}).size(), kernels::kMostStates);
    EXPECT_GE(row->rates, 1);
    EXPECT_NE(row->launch, nullptr);
  }
  EXPECT_THROW(optimizer("none"), Error);
}

}  // namespace
}  // namespace dure::optim
