#include "dure/optim/schedule.h"

#include <cmath>
#include <cstdio>
#include <string>

#include <gtest/gtest.h>

namespace dure::optim {
namespace {

// Prints a value as the logs do.
std::string printed(double value, int decimals) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*E", decimals, value);
  return text;
}

struct Line {
  std::int64_t step;
  const char* text;
};

// Megatron-LM, GPT at 300 iterations. The loss scale overflowed in 16 of the
// first 20 iterations and 17 of the first 30, then never: those iterations do
// not count.
TEST(LearningRate, FollowsMegatronsLogWithSkippedSteps) {
  const OptimizerConfig config{.learning_rate = 1.5e-4,
                               .warmup_steps = 3,
                               .decay = DecayKind::kCosine,
                               .decay_steps = 300};
  for (const auto& [iteration, text] : {Line{20, "1.500E-04"},
                                        Line{30, "1.496E-04"},
                                        Line{40, "1.483E-04"},
                                        Line{50, "1.463E-04"},
                                        Line{60, "1.434E-04"},
                                        Line{100, "1.247E-04"},
                                        Line{200, "5.047E-05"},
                                        Line{290, "3.038E-06"},
                                        Line{300, "1.209E-06"},
                                        Line{310, "2.055E-07"},
                                        Line{320, "0.000E+00"},
                                        Line{1000, "0.000E+00"}}) {
    const std::int64_t skipped = iteration <= 20 ? 16 : 17;
    EXPECT_EQ(printed(learning_rate(iteration - skipped, config), 3), text)
        << iteration;
  }
}

// DeepSpeed's WarmupDecayLR, total 300, warm-up 30, from 0 to 3e-5.
OptimizerConfig deepspeed(Warmup warmup) {
  return {.learning_rate = 3e-5,
          .warmup_steps = 30,
          .warmup = warmup,
          .decay = DecayKind::kLinear,
          .decay_steps = 300};
}

TEST(LearningRate, FollowsDeepSpeedsWarmupDecay) {
  const OptimizerConfig linear = deepspeed(Warmup::kLinear);
  const OptimizerConfig log = deepspeed(Warmup::kLog);
  EXPECT_EQ(printed(learning_rate(1, linear), 2), "1.00E-06");
  EXPECT_EQ(printed(learning_rate(1, log), 2), "6.11E-06");
  for (const auto& config : {linear, log}) {
    EXPECT_EQ(printed(learning_rate(100, config), 3), "2.222E-05");
    EXPECT_EQ(printed(learning_rate(200, config), 3), "1.111E-05");
    EXPECT_EQ(learning_rate(300, config), 0.0);
  }
}

TEST(LearningRate, WarmsUpWithTheLogarithmEvenOverOneStep) {
  OptimizerConfig config = deepspeed(Warmup::kLog);
  config.warmup_steps = 1;
  EXPECT_EQ(learning_rate(0, config), 0.0);
  EXPECT_EQ(learning_rate(1, config), 3e-5);
}

// A LambdaLR of the FSDP tutorial: linear to zero, but at least a floor. Its
// line of step s shows the rate of update s + 1.
OptimizerConfig lambda(double rate, double floor, std::int64_t scale) {
  return {.learning_rate = rate,
          .minimum_learning_rate = rate * floor,
          .warmup_steps = 30 * scale,
          .decay = DecayKind::kLinear,
          .decay_steps = 300 * scale,
          .decay_to = DecayTo::kZero};
}

TEST(LearningRate, FollowsAPrintedLambdaWithAFloor) {
  const OptimizerConfig config = lambda(1e-5, 0.1, 1);
  for (const auto& [step, text] : {Line{0, "3.33E-07"},
                                   Line{10, "3.67E-06"},
                                   Line{20, "7.00E-06"},
                                   Line{30, "9.96E-06"},
                                   Line{40, "9.59E-06"},
                                   Line{270, "1.07E-06"},
                                   Line{280, "1.00E-06"},
                                   Line{290, "1.00E-06"},
                                   Line{1000, "1.00E-06"}}) {
    EXPECT_EQ(printed(learning_rate(step + 1, config), 2), text) << step;
  }
}

TEST(LearningRate, StopsAtAFloorOfOnePercent) {
  const OptimizerConfig config = lambda(3e-5, 0.01, 10);
  EXPECT_EQ(printed(learning_rate(300, config), 2), "3.00E-05");
  // The floor of 3e-7 is reached where (3000 - s) / 2700 = 0.01.
  EXPECT_GT(learning_rate(2972, config), 3e-7);
  EXPECT_EQ(printed(learning_rate(2973, config), 2), "3.00E-07");
  EXPECT_EQ(learning_rate(3000, config), 3e-5 * 0.01);
}

TEST(LearningRate, OfLinearWithoutWarmupReachesZeroAtTheEnd) {
  const OptimizerConfig config{
      .learning_rate = 1, .decay = DecayKind::kLinear, .decay_steps = 40};
  for (std::int64_t s = 0; s <= 40; ++s) {
    EXPECT_DOUBLE_EQ(learning_rate(s, config), 1 - static_cast<double>(s) / 40);
  }
}

TEST(LearningRate, OfConstantStaysAfterWarmup) {
  const OptimizerConfig config{.learning_rate = 2,
                               .warmup_steps = 4,
                               .decay = DecayKind::kConstant,
                               .decay_steps = 10};
  EXPECT_EQ(learning_rate(1, config), 0.5);
  EXPECT_EQ(learning_rate(4, config), 2.0);
  EXPECT_EQ(learning_rate(1000000, config), 2.0);
}

TEST(LearningRate, OfInverseSquareRootHalvesWhenTheStepIsFourTimesAsFar) {
  const OptimizerConfig config{.learning_rate = 1,
                               .minimum_learning_rate = 0.01,
                               .warmup_steps = 100,
                               .decay = DecayKind::kInverseSquareRoot};
  EXPECT_EQ(learning_rate(100, config), 1.0);
  EXPECT_EQ(learning_rate(400, config), 0.5);
  EXPECT_EQ(learning_rate(1600, config), 0.25);
  EXPECT_EQ(learning_rate(100000000, config), 0.01);
}

OptimizerConfig wsd(WsdShape shape) {
  return {.learning_rate = 1,
          .minimum_learning_rate = 0.2,
          .warmup_steps = 10,
          .decay = DecayKind::kWsd,
          .decay_steps = 100,
          .wsd_share = 0.2,
          .wsd_shape = shape};
}

TEST(LearningRate, OfWsdIsStableThenFallsToTheMinimum) {
  for (const WsdShape shape : {WsdShape::kLinear,
                               WsdShape::kCosine,
                               WsdShape::kExponential,
                               WsdShape::kSquareRoot}) {
    const OptimizerConfig config = wsd(shape);
    EXPECT_EQ(learning_rate(5, config), 0.5);
    EXPECT_EQ(learning_rate(10, config), 1.0);
    EXPECT_EQ(learning_rate(80, config), 1.0);
    EXPECT_LT(learning_rate(81, config), 1.0);
    EXPECT_DOUBLE_EQ(learning_rate(100, config), 0.2);
    EXPECT_DOUBLE_EQ(learning_rate(500, config), 0.2);
  }
}

TEST(LearningRate, OfWsdFallsByTheShape) {
  // At update 85 a quarter of the decay is over.
  EXPECT_DOUBLE_EQ(learning_rate(85, wsd(WsdShape::kLinear)), 0.2 + 0.8 * 0.75);
  EXPECT_DOUBLE_EQ(learning_rate(85, wsd(WsdShape::kSquareRoot)),
                   0.2 + 0.8 * 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(85, wsd(WsdShape::kCosine)),
                   0.2 + 0.8 * (1 + std::sqrt(0.5)) / 2);
  EXPECT_DOUBLE_EQ(learning_rate(85, wsd(WsdShape::kExponential)),
                   0.2 + 0.8 * (2 * std::pow(2, -0.25) - 1));
}

TEST(LearningRate, OfWsdNeverStartsItsFallBeforeWarmupEnds) {
  OptimizerConfig config = wsd(WsdShape::kLinear);
  config.wsd_share = 1;
  EXPECT_EQ(learning_rate(10, config), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(55, config), 0.6);
}

// For every kind, over every update: never above the highest rate, never below
// the lowest after warm-up, never rising after it.
TEST(LearningRate, RisesThenFallsWithinItsBounds) {
  for (const DecayKind decay : {DecayKind::kConstant,
                                DecayKind::kLinear,
                                DecayKind::kCosine,
                                DecayKind::kInverseSquareRoot,
                                DecayKind::kWsd}) {
    OptimizerConfig config = wsd(WsdShape::kCosine);
    config.decay = decay;
    for (std::int64_t s = 1; s < 150; ++s) {
      const double before = learning_rate(s - 1, config);
      const double rate = learning_rate(s, config);
      EXPECT_LE(rate, 1.0);
      if (s <= 10) {
        EXPECT_GT(rate, before);
      } else {
        EXPECT_LE(rate, before);
        EXPECT_GE(rate, 0.2);
      }
    }
  }
}

}  // namespace
}  // namespace dure::optim
