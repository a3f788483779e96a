#include "dure/data/blended_dataset.h"

#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>
#include <numeric>

#include <gtest/gtest.h>

#include "dure/base/random.h"
#include "dure/data/test_files.h"

namespace dure::data {
namespace {

using testing::ElementsAre;

std::vector<double> random_weights(const RandomStream& random) {
  std::vector<double> weights(1 + random.below(6, 0));
  for (std::size_t d = 0; d < weights.size(); ++d) {
    weights[d] = 1 + static_cast<double>(random.below(100, 1 + d));
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) {
    weight /= sum;
  }
  return weights;
}

// Recounts the samples taken before every step.
std::vector<std::uint16_t> slow_order(const std::vector<double>& weights,
                                      int samples) {
  std::vector<std::uint16_t> order;
  for (int i = 0; i < samples; ++i) {
    std::vector<double> lag;
    for (std::size_t d = 0; d < weights.size(); ++d) {
      const auto taken = std::count(order.begin(), order.end(), d);
      lag.push_back(weights[d] * std::max(i, 1) - static_cast<double>(taken));
    }
    order.push_back(static_cast<std::uint16_t>(
        std::max_element(lag.begin(), lag.end()) - lag.begin()));
  }
  return order;
}

TEST(BlendOrder, FollowsTheWeights) {
  EXPECT_THAT(blend_order({0.5, 0.25, 0.25}, 8).part,
              ElementsAre(0, 1, 2, 0, 0, 1, 2, 0));
  EXPECT_THAT(blend_order({0.5, 0.25, 0.25}, 8).sample,
              ElementsAre(0, 0, 0, 1, 2, 1, 1, 3));
}

TEST(BlendOrder, EqualsTheSlowOneAndStaysWithinTheShares) {
  for (std::uint64_t trial = 0; trial < 50; ++trial) {
    const auto weights = random_weights(RandomStream(trial, "test"));
    const int samples = 1 + static_cast<int>(trial) * 4;
    const BlendOrder order = blend_order(weights, samples);
    EXPECT_EQ(order.part, slow_order(weights, samples));
    std::vector<std::int64_t> taken(weights.size());
    for (int i = 0; i < samples; ++i) {
      EXPECT_EQ(order.sample[i], taken[order.part[i]]++);
      // The set that lags most is not ahead, so it gets ahead by 1 at most.
      EXPECT_LE(static_cast<double>(taken[order.part[i]]),
                weights[order.part[i]] * std::max(i, 1) + 1 + 1e-9);
    }
    for (std::size_t d = 0; d < weights.size(); ++d) {
      EXPECT_LE(taken[d], blend_share(weights[d], samples));
    }
  }
}

// Sample i of part p is the token 100 p + i.
class CountingDataset : public Dataset {
 public:
  CountingDataset(std::int32_t part, std::int64_t size)
      : part_(part), size_(size) {}
  std::int64_t size() const override { return size_; }
  std::int64_t sample_tokens() const override { return 1; }
  void sample(std::int64_t index,
              std::span<std::int32_t> tokens) const override {
    tokens[0] = 100 * part_ + static_cast<std::int32_t>(index);
  }

 private:
  std::int32_t part_;
  std::int64_t size_;
};

TEST(BlendedDataset, ReadsThePartsInThatOrder) {
  std::vector<std::unique_ptr<Dataset>> parts;
  parts.push_back(std::make_unique<CountingDataset>(0, 3));
  parts.push_back(std::make_unique<CountingDataset>(1, 2));
  const BlendedDataset blend(std::move(parts), {0.6, 0.4}, 5);
  std::vector<std::int32_t> tokens(5);
  for (std::int64_t i = 0; i < blend.size(); ++i) {
    blend.sample(i, std::span(tokens).subspan(i, 1));
  }
  EXPECT_THAT(tokens, ElementsAre(0, 100, 1, 101, 2));
  EXPECT_THROW(blend.sample(5, std::span(tokens).first(1)), Error);
}

}  // namespace
}  // namespace dure::data
