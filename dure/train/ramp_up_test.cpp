#include "dure/train/ramp_up.h"

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

// The example of Megatron-LM's help: from 16 to 1024 in steps of 8 over
// 5,859,375 samples, 126 increments of 46,502.98 samples each.
TEST(RampUp, FollowsMegatronsExample) {
  const TrainConfig train{.global_batch = 1024,
                          .batch_rampup = {16, 8, 5'859'375}};
  EXPECT_EQ(global_batch_after(46'502, train), 16);
  EXPECT_EQ(global_batch_after(46'503, train), 24);
  EXPECT_EQ(global_batch_after(5'859'374, train), 1016);
  EXPECT_EQ(global_batch_after(5'859'375, train), 1024);
}

TEST(RampUp, IsRefusedUnlessItEndsAtTheGlobalBatch) {
  TrainConfig train{
      .global_batch = 16, .micro_batch = 2, .batch_rampup = {8, 4, 100}};
  EXPECT_NO_THROW(validate_batches(train));
  train.batch_rampup = {8, 6, 100};
  EXPECT_THROW(validate_batches(train), UsageError);
  train.batch_rampup = {24, 4, 100};
  EXPECT_THROW(validate_batches(train), UsageError);
  train.batch_rampup = {8, 4};
  EXPECT_THROW(validate_batches(train), UsageError);
}

TEST(RampUp, NeedsWholeMicroBatches) {
  TrainConfig train{
      .global_batch = 16, .micro_batch = 4, .batch_rampup = {8, 4, 100}};
  EXPECT_NO_THROW(validate_batches(train));
  train.micro_batch = 8;
  EXPECT_THROW(validate_batches(train), UsageError);
  train.batch_rampup = {};
  EXPECT_NO_THROW(validate_batches(train));
  train.micro_batch = 5;
  EXPECT_THROW(validate_batches(train), UsageError);
}

}  // namespace
}  // namespace dure::train
