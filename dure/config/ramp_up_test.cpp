#include "dure/config/ramp_up.h"

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::train {
namespace {

TEST(RampUp, IsTheGlobalBatchWithoutOne) {
  EXPECT_EQ(global_batch_after(0, {.global_batch = 12}), 12);
}

TEST(RampUp, GrowsInEvenIncrements) {
  const TrainConfig train{.global_batch = 16, .batch_rampup = {8, 4, 100}};
  EXPECT_EQ(global_batch_after(0, train), 8);
  EXPECT_EQ(global_batch_after(49, train), 8);
  EXPECT_EQ(global_batch_after(50, train), 12);
  EXPECT_EQ(global_batch_after(99, train), 12);
  EXPECT_EQ(global_batch_after(100, train), 16);
  EXPECT_EQ(global_batch_after(1'000'000, train), 16);
}

// The example of Megatron-LM's help goes from 16 to 1024 in steps of 8 over
// 5,859,375 samples: 126 increments of 46,502.98 samples each.
TEST(RampUp, FollowsMegatronsExample) {
  const TrainConfig train{.global_batch = 1024,
                          .batch_rampup = {16, 8, 5'859'375}};
  EXPECT_EQ(global_batch_after(46'502, train), 16);
  EXPECT_EQ(global_batch_after(46'503, train), 24);
  EXPECT_EQ(global_batch_after(5'859'374, train), 1016);
  EXPECT_EQ(global_batch_after(5'859'375, train), 1024);
}

std::int64_t counted_step_by_step(const TrainConfig& train) {
  std::int64_t samples = 0;
  for (std::int64_t step = 0; step < train.steps; ++step) {
    samples += global_batch_after(samples, train);
  }
  return samples;
}

TEST(RampUp, CountsTheSamplesOfARunWithoutGoingThroughItsSteps) {
  const std::vector<std::int64_t> ramps[] = {
      {}, {8, 4, 100}, {1, 1, 1}, {4, 12, 999}, {16, 4, 5}, {2, 7, 12'345}};
  for (const auto& ramp : ramps) {
    for (const std::int64_t steps : {1, 2, 3, 7, 50, 1000}) {
      const TrainConfig train{
          .steps = steps, .global_batch = 16, .batch_rampup = ramp};
      EXPECT_EQ(samples_of_run(train), counted_step_by_step(train)) << steps;
    }
  }
  const TrainConfig megatron{.steps = 20'000,
                             .global_batch = 1024,
                             .batch_rampup = {16, 8, 5'859'375}};
  EXPECT_EQ(samples_of_run(megatron), counted_step_by_step(megatron));
  EXPECT_EQ(
      samples_of_run({.steps = std::int64_t{1} << 31, .global_batch = 1 << 24}),
      std::int64_t{1} << 55);
}

TEST(RampUp, IsRefusedUnlessItEndsAtTheGlobalBatch) {
  TrainConfig train{
      .global_batch = 16, .micro_batch = 2, .batch_rampup = {8, 4, 100}};
  EXPECT_NO_THROW(validate_batches(train, 1));
  train.batch_rampup = {8, 6, 100};
  EXPECT_THROW(validate_batches(train, 1), UsageError);
  train.batch_rampup = {24, 4, 100};
  EXPECT_THROW(validate_batches(train, 1), UsageError);
  train.batch_rampup = {8, 4};
  EXPECT_THROW(validate_batches(train, 1), UsageError);
}

TEST(RampUp, NeedsWholeMicroBatches) {
  TrainConfig train{
      .global_batch = 16, .micro_batch = 4, .batch_rampup = {8, 4, 100}};
  EXPECT_NO_THROW(validate_batches(train, 1));
  train.micro_batch = 8;
  EXPECT_THROW(validate_batches(train, 1), UsageError);
  train.batch_rampup = {};
  EXPECT_NO_THROW(validate_batches(train, 1));
  train.micro_batch = 5;
  EXPECT_THROW(validate_batches(train, 1), UsageError);
}

TEST(RampUp, NeedsBatchesThatRanksCanShare) {
  TrainConfig train{.global_batch = 24, .micro_batch = 2};
  EXPECT_NO_THROW(validate_batches(train, 4));
  train.global_batch = 28;
  try {
    validate_batches(train, 4);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(),
                 "train.global_batch: wanted a multiple of train.micro_batch, "
                 "2, times the 4 ranks that share it, that is of 8, got 28; "
                 "the nearest are 24 and 32");
  }
}

}  // namespace
}  // namespace dure::train
