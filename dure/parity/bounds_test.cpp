#include "dure/parity/bounds.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/files.h"
#include "dure/optim/optimizer.h"
#include "dure/optim/sgd.h"

namespace dure::train {
namespace {

Config ranked() {
  Config config;
  config.train.micro_batch = 1;
  config.parallel.data = 1;
  config.parallel.sums = comm::SumOrder::kRanked;
  return config;
}

std::string name_for(const Config& layout, const Config& reference) {
  return rule_of(layout, reference).name;
}

TEST(ParityBounds, AreThoseOfThePage) {
  const std::string table = parity_rules_table();
  EXPECT_NE(read_file("docs/numerics.md").find(table), std::string::npos)
      << "docs/numerics.md has no such table:\n"
      << table;
}

TEST(ParityBounds, FollowFromWhatDiffers) {
  const Config one = ranked();
  Config layout = one;
  layout.parallel.data = 4;
  layout.parallel.pipeline = 2;
  layout.parallel.zero = 3;
  EXPECT_EQ(name_for(layout, one), "every bit");
  layout.train.device = Device::kCuda;
  EXPECT_EQ(name_for(layout, one), "rounding, other optimizers");
  EXPECT_EQ(name_for(layout, layout), "every bit");
  layout.train.device = Device::kCpu;
  layout.parallel.sums = comm::SumOrder::kFast;
  EXPECT_EQ(name_for(layout, one), "rounding, other optimizers");
  layout.optimizer.name = &optim::kSgd;
  EXPECT_EQ(name_for(layout, one), "rounding, SGD");
  layout.train.micro_batch = 2;
  EXPECT_EQ(name_for(layout, one), "other micro-batches");
  layout.parallel.tensor = 2;
  EXPECT_EQ(name_for(layout, one), "other micro-batches, rounding");
}

// Norms' gradients are summed over ranks where rows are cut, and not else.
TEST(ParityBounds, DependOnHowTensorRanksCutRows) {
  Config whole = ranked();
  whole.parallel.tensor = 2;
  Config cut = whole;
  EXPECT_EQ(name_for(cut, whole), "every bit");
  cut.parallel.sequence = true;
  EXPECT_EQ(name_for(cut, whole), "rounding, other optimizers");
  EXPECT_EQ(name_for(cut, cut), "every bit");
}

TEST(ParityBounds, AreNoneWhereAnOptimizerCombinesGradientsItself) {
  optim::OptimizerRow row = optim::kSgd;
  row.gradients = kernels::GradientOf::kThisRank;
  Config layout = ranked();
  layout.optimizer.name = &row;
  Config one = layout;
  layout.parallel.data = 2;
  EXPECT_EQ(name_for(layout, one), "gradients of each rank");
  EXPECT_EQ(name_for(layout, layout), "every bit");
}

TEST(ParityBounds, HoldForTheStepsThatWereMeasured) {
  Config layout = ranked();
  const Config one = layout;
  layout.parallel.tensor = 2;
  const ParityRule& adamw = rule_of(layout, one);
  EXPECT_EQ(adamw.bound(Quantity::kGradient, 1), 1e-5);
  EXPECT_EQ(adamw.bound(Quantity::kGradient, 2), std::nullopt);
  EXPECT_EQ(adamw.bound(Quantity::kWeight, 1), std::nullopt);
  EXPECT_EQ(adamw.bound(Quantity::kLoss, 20), 1e-5);
  EXPECT_EQ(adamw.bound(Quantity::kLoss, 21), std::nullopt);
  // An evaluation comes after updates, whatever the number of steps.
  EXPECT_EQ(adamw.bound(Quantity::kEvaluation, 1), 1e-5);
  EXPECT_EQ(rule_of(one, one).bound(Quantity::kWeight, 1000), 0);
}

// A state in bf16 is as coarse as the weights of a run in bf16.
TEST(ParityBounds, GrowWithTheCoarsestTypeOfAStep) {
  const auto losses = [](const PrecisionConfig& precision) {
    Config layout = ranked();
    layout.precision = precision;
    const Config one = layout;
    layout.parallel.tensor = 2;
    EXPECT_EQ(rule_of(one, one).bound(Quantity::kWeight, 1), 0);
    return *rule_of(layout, one).bound(Quantity::kLoss, 1);
  };
  EXPECT_EQ(losses({.compute = Compute::kFp16}), 0x1p13 * losses({}));
  EXPECT_EQ(losses({.compute = Compute::kBf16}), 0x1p16 * losses({}));
  EXPECT_EQ(losses({.compute = Compute::kFp16, .states = StateType::kBf16}),
            0x1p16 * losses({}));
  EXPECT_EQ(losses({.states = StateType::kBf16}), 0x1p16 * losses({}));
}

}  // namespace
}  // namespace dure::train
