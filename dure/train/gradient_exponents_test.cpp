#include "dure/train/gradient_exponents.h"

#include <array>

#include <gtest/gtest.h>

namespace dure::train {
namespace {

using kernels::CountExponents;
using Counts = std::array<std::int64_t, CountExponents::kCounts>;

TEST(GradientExponents, AreShiftedByAScaleThatIsAPowerOfTwo) {
  Counts counts = {};
  counts[CountExponents::kZeros] = 7;
  counts[CountExponents::kNonfinite] = 2;
  counts[CountExponents::not_below(-20)] = 3;
  counts[CountExponents::not_below(-18)] = 1;
  const GradientExponents found =
      gradient_exponents(counts, 1024, LossIs::kScaled);
  EXPECT_EQ(found.elements(), 13);
  EXPECT_EQ(found.scaled,
            (ExponentHistogram{.first = -20, .counts = {3, 0, 1}}));
  EXPECT_EQ(found.unscaled,
            (ExponentHistogram{.first = -30, .counts = {3, 0, 1}}));
}

// Beside 1000 = 1.953 x 2^9 most significands are below the scale's.
TEST(GradientExponents, AreDividedByAnyOtherScale) {
  Counts counts = {};
  counts[CountExponents::below(-20)] = 3;
  counts[CountExponents::not_below(-20)] = 1;
  counts[CountExponents::below(-19)] = 5;
  const GradientExponents found =
      gradient_exponents(counts, 1000, LossIs::kScaled);
  EXPECT_EQ(found.scaled, (ExponentHistogram{.first = -20, .counts = {4, 5}}));
  EXPECT_EQ(found.unscaled,
            (ExponentHistogram{.first = -30, .counts = {3, 6}}));
}

TEST(GradientExponents, HaveOneHistogramWithoutAScale) {
  Counts counts = {};
  counts[CountExponents::not_below(CountExponents::kFirst)] = 1;
  counts[CountExponents::not_below(CountExponents::kLast)] = 1;
  const GradientExponents found =
      gradient_exponents(counts, 1, LossIs::kUnscaled);
  EXPECT_FALSE(found.scaled);
  EXPECT_EQ(found.unscaled.first, CountExponents::kFirst);
  EXPECT_EQ(found.unscaled.counts.size(),
            CountExponents::kLast - CountExponents::kFirst + 1);
  EXPECT_EQ(gradient_exponents(Counts(), 1, LossIs::kUnscaled),
            GradientExponents());
}

TEST(ExponentHistogram, HasTheSharesBelowPowersOfTwo) {
  const ExponentHistogram histogram = {.first = -26, .counts = {1, 2, 4, 1}};
  EXPECT_EQ(histogram.values(), 8);
  EXPECT_EQ(histogram.share_below(-30), 0);
  EXPECT_EQ(histogram.share_below(-26), 0);
  EXPECT_EQ(histogram.share_below(kLeastOfFp16), 3.0 / 8);
  EXPECT_EQ(histogram.share_below(-23), 7.0 / 8);
  EXPECT_EQ(histogram.share_below(kLeastNormalOfFp16), 1);
  EXPECT_EQ(ExponentHistogram().share_below(0), 0);
}

}  // namespace
}  // namespace dure::train
