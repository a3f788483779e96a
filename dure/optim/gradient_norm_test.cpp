#include "dure/optim/gradient_norm.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "dure/base/random.h"
#include "dure/kernels/update.h"

namespace dure::optim {
namespace {

using Values = std::vector<float>;

// Sizes from 2^-20 to 2^20: a sum in f64 would depend on its order.
Values gradient_of(const char* name, std::int64_t count) {
  const RandomStream stream(3, name);
  Values values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] =
        std::ldexp(stream.normal(i), static_cast<int>(i / 16 % 41) - 20);
  }
  return values;
}

Target part_of(const char* name,
               const Values& gradient,
               std::int64_t first,
               std::int64_t last) {
  return {.name = name,
          .weight = {},
          .gradient = {gradient.data() + first, {last - first}},
          .offset = first};
}

Target whole(const char* name, const Values& gradient) {
  return part_of(name, gradient, 0, static_cast<std::int64_t>(gradient.size()));
}

GradientNorm computed(const std::vector<Target>& targets) {
  Stream stream(Device::kCpu);
  GradientNorm norm(targets);
  norm.compute(stream);
  return norm;
}

TEST(GradientNorm, IsTheRootOfAllSquares) {
  const Values a = {3, 0};
  const Values b = {4, 12};
  Stream stream(Device::kCpu);
  GradientNorm norm({whole("a", a), whole("b", b)});
  EXPECT_EQ(norm.compute(stream), 13);
  EXPECT_EQ(norm.total().value(), 169);
  EXPECT_EQ(norm.first_nonfinite(), std::nullopt);
}

// Weights cut anywhere between groups, whose parts lie on ranks in any order.
TEST(GradientNorm, TotalsOfRanksAddUpToTheBitHoweverWeightsAreCut) {
  constexpr std::int64_t kGroup = kernels::SquaredNorm::kGroup;
  const Values a = gradient_of("a", 100 * kGroup);
  const Values b = gradient_of("b", 77 * kGroup + 3);
  const ExactSum expected = computed({whole("a", a), whole("b", b)}).total();
  for (const std::int64_t cut : {1, 13, 64, 76}) {
    const std::int64_t at = cut * kGroup;
    const GradientNorm first =
        computed({part_of("a", a, at, 100 * kGroup), part_of("b", b, 0, at)});
    const GradientNorm second = computed(
        {part_of("b", b, at, 77 * kGroup + 3), part_of("a", a, 0, at)});
    ExactSum sum = first.total();
    sum.add(second.total());
    EXPECT_EQ(sum, expected);
    EXPECT_EQ(norm_of(sum), norm_of(expected));
  }
}

TEST(GradientNorm, NamesTheFirstTargetThatIsNotFinite) {
  const Values good(40, 1);
  for (const float bad_value : {std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::quiet_NaN()}) {
    Values bad(40, 1);
    bad[39] = bad_value;
    const GradientNorm norm =
        computed({whole("a", good), whole("b", bad), whole("c", bad)});
    EXPECT_EQ(norm.first_nonfinite(), 1U);
    EXPECT_FALSE(std::isfinite(norm_of(norm.total())));
  }
}

TEST(GradientNorm, OnTheSimulatorIsZeroAndTakesTime) {
  const Values a(1000, 1);
  Stream stream(Device::kSim);
  GradientNorm norm({whole("a", a)});
  EXPECT_EQ(norm.compute(stream), 0);
  EXPECT_GT(stream.seconds(), 0);
}

TEST(ClipScale, BringsTheNormToTheLimit) {
  EXPECT_EQ(clip_scale(0.5, 1), 1);
  EXPECT_EQ(clip_scale(1, 1), 1);
  EXPECT_NEAR(clip_scale(4, 1) * 4, 1, 1e-6);  // by the epsilon
  EXPECT_EQ(clip_scale(100, 0), 1);
}

}  // namespace
}  // namespace dure::optim
