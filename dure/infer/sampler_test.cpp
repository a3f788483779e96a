#include "dure/infer/sampler.h"

#include <array>
#include <cmath>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::train {
namespace {

std::map<std::int32_t, int> draw(const SamplingOptions& options,
                                 const std::vector<float>& logits,
                                 int draws) {
  Sampler sampler(options);
  std::map<std::int32_t, int> counts;
  for (int i = 0; i < draws; ++i) {
    ++counts[sampler.pick(logits, 0, static_cast<std::uint64_t>(i))];
  }
  return counts;
}

const std::vector<float> kLogits = {
    std::log(1.0F), std::log(4.0F), std::log(2.0F), std::log(1.0F)};

TEST(Sampler, TakesTheMostLikelyAtTemperatureZero) {
  EXPECT_EQ(draw({.temperature = 0}, kLogits, 5),
            (std::map<std::int32_t, int>{{1, 5}}));
}

// The bounds are five standard deviations of a binomial.
TEST(Sampler, DrawsByTheSoftmax) {
  constexpr int kDraws = 80000;
  const auto counts = draw({}, kLogits, kDraws);
  const std::array<double, 4> expected = {0.125, 0.5, 0.25, 0.125};
  for (std::int32_t i = 0; i < 4; ++i) {
    const double p = expected[i];
    EXPECT_NEAR(counts.at(i), p * kDraws, 5 * std::sqrt(kDraws * p * (1 - p)));
  }
}

TEST(Sampler, KeepsTheLikeliest) {
  const auto counts = draw({.top_k = 2}, kLogits, 300);
  EXPECT_EQ(counts.size(), 2U);
  EXPECT_TRUE(counts.contains(1) && counts.contains(2));
}

TEST(Sampler, KeepsTheNucleus) {
  EXPECT_EQ(draw({.top_p = 0.5}, kLogits, 100).size(), 1U);
  EXPECT_EQ(draw({.top_p = 0.51}, kLogits, 1000).size(), 2U);
  EXPECT_EQ(draw({.top_p = 1e-9}, kLogits, 100).size(), 1U);
}

TEST(Sampler, DependsOnSeedSampleAndPosition) {
  const std::vector<float> flat(1000, 0.0F);
  Sampler a({.seed = 1});
  Sampler b({.seed = 2});
  EXPECT_EQ(a.pick(flat, 3, 4), a.pick(flat, 3, 4));
  EXPECT_NE(a.pick(flat, 3, 4), a.pick(flat, 3, 5));
  EXPECT_NE(a.pick(flat, 3, 4), a.pick(flat, 4, 4));
  EXPECT_NE(a.pick(flat, 3, 4), b.pick(flat, 3, 4));
}

TEST(Sampler, DrawsNothingThatIsNotDrawable) {
  const std::vector<bool> drawable = {true, false, false, true};
  for (const SamplingOptions& options : {SamplingOptions{.temperature = 0},
                                         {},
                                         {.temperature = 1e308},
                                         {.top_k = 1},
                                         {.top_k = INT64_MAX},
                                         {.top_p = 0.3}}) {
    Sampler sampler(options, drawable);
    for (std::uint64_t i = 0; i < 200; ++i) {
      const std::int32_t token = sampler.pick(kLogits, 0, i);
      EXPECT_TRUE(token == 0 || token == 3) << token;
    }
  }
  Sampler none({}, {false, false, false, false});
  EXPECT_THROW(none.pick(kLogits, 0, 0), Error);
}

TEST(Sampler, RefusesLogitsThatAreNotFinite) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    std::vector<float> logits = kLogits;
    logits[2] = bad;
    for (const double temperature : {0.0, 1.0}) {
      Sampler sampler({.temperature = temperature});
      EXPECT_THROW(sampler.pick(logits, 0, 0), Error);
    }
  }
}

TEST(Sampler, GoesToTheLimitsAtExtremeTemperatures) {
  EXPECT_EQ(draw({.temperature = 1e-300}, kLogits, 100),
            (std::map<std::int32_t, int>{{1, 100}}));
  EXPECT_EQ(draw({.temperature = 5e-324}, {0, 3e38F, -3e38F}, 100),
            (std::map<std::int32_t, int>{{1, 100}}));
  EXPECT_EQ(draw({.temperature = 1e308}, kLogits, 1000).size(), 4U);
}

TEST(Sampler, RefusesWhatIsOutOfRange) {
  EXPECT_THROW(Sampler({.temperature = -1}), UsageError);
  EXPECT_THROW(Sampler({.top_k = -1}), UsageError);
  EXPECT_THROW(Sampler({.top_p = 0}), UsageError);
  EXPECT_THROW(Sampler({.top_p = NAN}), UsageError);
  EXPECT_THROW(Sampler({.temperature = NAN}), UsageError);
  EXPECT_THROW(Sampler({.temperature = INFINITY}), UsageError);
}

}  // namespace
}  // namespace dure::train
