#include "dure/plan/predict.h"

#include <gtest/gtest.h>

#include "dure/model/presets.h"

namespace dure::plan {
namespace {

train::Config gpt2(std::int64_t batch, std::int64_t sequence) {
  train::Config config;
  config.model = model::preset("gpt2-124m");
  config.data.sequence = sequence;
  config.train.global_batch = batch;
  config.train.micro_batch = batch;
  return train::resolve(config);
}

double of(const Prediction& prediction, Category category) {
  return static_cast<double>(
      prediction.peak_bytes[static_cast<std::size_t>(category)]);
}

// 4 bytes each of weight and gradient, 8 of AdamW's states; padding of the
// vocabulary (47 rows of 768) and alignment come on top.
TEST(Predict, GivesSixteenBytesAParameter) {
  const Prediction prediction = predict(gpt2(1, 64), {});
  constexpr double kParameters = 124439808 + 47 * 768;
  EXPECT_NEAR(of(prediction, Category::kParameters), 4 * kParameters, 1e4);
  EXPECT_NEAR(of(prediction, Category::kGradients), 4 * kParameters, 1e4);
  EXPECT_NEAR(of(prediction, Category::kOptimizer), 8 * kParameters, 1e4);
}

// Of a block a row keeps, in floats: the input, two normed inputs and the
// middle (4 h), q k v (3 h), the attention's output (h) and log-sum (heads),
// the feed-forward's before and after (8 h), and the norms' mean and deviation
// (4). Around the blocks: the last output, the final norm's output and its mean
// and deviation (2 h + 2), the head's gradient (h), and four numbers of the
// batch (ids, targets, positions, losses).
TEST(Predict, CountsTheActivationsOfATrainingStep) {
  constexpr double kRows = 4 * 256;
  constexpr double kHidden = 768;
  constexpr double kBlock = 16 * kHidden + 12 + 4;
  constexpr double kAround = 3 * kHidden + 2 + 4;
  const Prediction prediction = predict(gpt2(4, 256), {});
  EXPECT_EQ(of(prediction, Category::kActivations),
            4 * kRows * (12 * kBlock + kAround));
}

TEST(Predict, TimeFollowsTheDevice) {
  const train::Config config = gpt2(1, 64);
  const DeviceRates slow = {.flops_per_second = 1e11, .bytes_per_second = 1e10};
  const DeviceRates fast = {.flops_per_second = 1e12, .bytes_per_second = 1e11};
  EXPECT_NEAR(predict(config, slow).step_seconds,
              10 * predict(config, fast).step_seconds,
              1e-6);
}

}  // namespace
}  // namespace dure::plan
