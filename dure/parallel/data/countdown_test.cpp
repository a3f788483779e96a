#include "dure/parallel/data/countdown.h"

#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::parallel {
namespace {

using nn::Access;
using nn::Visit;

// Bucket 0 has units 3 and 7, bucket 1 unit 3, bucket 2 unit 9.
BucketPlan plan() {
  const std::vector<PlannedWeight> weights = {
      {.elements = 16, .units = {3, 7}, .group = 0},
      {.elements = 16, .units = {3}, .group = 1},
      {.elements = 16, .units = {9}, .group = 2}};
  return plan_buckets(weights, {.gradients = DType::kF32});
}

// There are two micro-batches. Unit 3's gradients come in two halves each; 7 is
// first.
std::vector<Visit> visits() {
  return {{3, Access::kParameters, 0},
          {7, Access::kBoth, 0},
          {7, Access::kBoth, 1},
          {3, Access::kBoth, 0},
          {3, Access::kBoth, 1},
          {3, Access::kGradients, 0},
          {3, Access::kGradients, 1},
          {9, Access::kParameters, 1}};
}

TEST(Countdown, CountsTheVisitsOfEveryMicroBatch) {
  Countdown countdown(plan(), visits(), ReduceEvery::kMicroBatch);
  EXPECT_EQ(countdown.unvisited(), (std::vector<int>{2}));
  EXPECT_EQ(countdown.end(0, 0).visits, 2);  // unit 7
  EXPECT_EQ(countdown.end(0, 1).visits, 2);
  EXPECT_EQ(countdown.end(0, 0).visits, 1);
  EXPECT_EQ(countdown.end(0, 1).visits, 1);
  const Countdown::Left first = countdown.end(0, 0);
  EXPECT_EQ(first.visits, 0);
  EXPECT_EQ(first.reductions, 1);
  const Countdown::Left last = countdown.end(0, 1);
  EXPECT_EQ(last.visits, 0);
  EXPECT_EQ(last.reductions, 0);
  EXPECT_THROW(countdown.end(0, 1), Error);
}

TEST(Countdown, CountsTheVisitsOfAStep) {
  Countdown countdown(plan(), visits(), ReduceEvery::kStep);
  for (int left = 5; left > 0; --left) {
    EXPECT_EQ(countdown.end(0, left % 2).visits, left);
  }
  EXPECT_EQ(countdown.end(0, 0).visits, 0);
  EXPECT_EQ(countdown.end(1, 1).visits, 3);
}

TEST(Countdown, HoldsMicroBatchesToTheirOrder) {
  Countdown countdown(plan(), visits(), ReduceEvery::kMicroBatch);
  countdown.end(1, 1);
  EXPECT_THROW(countdown.end(1, 1), Error);
  EXPECT_THROW(countdown.end(2, 0), Error);  // none writes to it
}

}  // namespace
}  // namespace dure::parallel
