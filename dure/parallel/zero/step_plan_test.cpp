#include "dure/parallel/zero/step_plan.h"

#include <vector>

#include <gtest/gtest.h>

#include "dure/parallel/zero/values.h"

namespace dure::parallel {
namespace {

using Order = Gradients::Order;

// A tied model of two blocks: embedding 0, blocks 1 and 2, norm 3, head 4.
std::vector<PlannedWeight> tied() {
  return {{.elements = 640, .units = {0, 4}},
          {.elements = 256, .units = {1}},
          {.elements = 256, .units = {2}},
          {.elements = 64, .units = {3}}};
}

BucketPlan planned(int ranks, BucketCut cut) {
  return plan_buckets(
      tied(), {.first_bytes = 1280, .bytes = 2000, .parts = ranks, .cut = cut});
}

TEST(StepPlan, ReadsInTheOrderOfReading) {
  for (int units = 2; units < 9; ++units) {
    std::vector<int> read;
    std::vector<int> written;
    for (const Visit& visit : visits(units)) {
      if (nn::reads_values(visit.uses)) {
        read.push_back(visit.unit);
      }
      if (nn::writes_gradients(visit.uses)) {
        written.push_back(visit.unit);
      }
    }
    EXPECT_EQ(read, reading_order(units, nn::Phase::kTrain));
    EXPECT_EQ(written.size(), static_cast<std::size_t>(units));
  }
}

TEST(StepPlan, StagesZeroToTwoMoveTwiceTheElements) {
  for (const int ranks : {2, 4, 8}) {
    const BucketPlan plan = planned(ranks, BucketCut::kBySize);
    for (const int stage : {0, 1, 2}) {
      const StepPlan step = plan_step(
          plan, {.stage = stage, .shard_size = stage == 0 ? 1 : ranks});
      EXPECT_EQ(step.elements.moved(), 2 * plan.elements) << stage;
    }
  }
}

// Forward, then the head, which finds the embedding dropped and gathers it
// again, then backward the norm and the two blocks.
TEST(StepPlan, StageThreeGathersTwiceLessWhatIsStillThere) {
  const BucketPlan plan = planned(2, BucketCut::kByUnits);
  ASSERT_EQ(plan.elements, 640 + 256 + 256 + 64);
  const auto gathered = [&](int prefetch) {
    return plan_step(plan, {.stage = 3, .shard_size = 2, .prefetch = prefetch})
        .elements.all_gather;
  };
  constexpr std::int64_t kForward = 640 + 256 + 256 + 64 + 640;
  EXPECT_EQ(gathered(0), kForward + 64 + 256 + 256);
  EXPECT_EQ(gathered(1), kForward + 64 + 256 + 256);
  // Two ahead: as the norm ends forward, its backward is in sight.
  EXPECT_EQ(gathered(2), kForward + 256 + 256);
  // Eight ahead is all of it.
  EXPECT_EQ(gathered(8), 640 + 256 + 256 + 64);
}

// Stage 2, one micro-batch: the buckets are, from the last, norm with block 2
// (320) and block 1 (256), then the embedding (640) alone, which the head
// writes to first. All three are there when block 1 ends.
TEST(StepPlan, HoldsBucketsThatAreWrittenAndTwoOnTheirWay) {
  const BucketPlan plan = planned(2, BucketCut::kBySize);
  ASSERT_EQ(plan.buckets.size(), 3);
  const StepOf step = {.stage = 2, .shard_size = 2};
  EXPECT_EQ(plan_step(plan, step).peak_bytes, 4 * (640 + 256 + 320));
  // A second micro-batch finds the embedding's (640) on its way, until block 1
  // ends; its own are received into parts (the 320 into 160).
  StepOf more = step;
  more.micro_batches = 2;
  EXPECT_EQ(plan_step(plan, more).peak_bytes,
            4 * (640 + 640 + (320 + 160) + 256));
  EXPECT_EQ(plan_step(plan, more).elements.reduce_scatter, 2 * plan.elements);
  // From the third on, what is on its way has such a part too.
  for (const int micro_batches : {3, 4, 7}) {
    more.micro_batches = micro_batches;
    EXPECT_EQ(plan_step(plan, more).peak_bytes,
              4 * ((640 + 320) + 640 + (320 + 160) + 256));
  }
}

TEST(StepPlan, PlainSumsTakeNoMemory) {
  const BucketPlan plan = planned(4, BucketCut::kBySize);
  for (const int stage : {0, 1}) {
    EXPECT_EQ(plan_step(plan,
                        {.stage = stage,
                         .shard_size = stage == 0 ? 1 : 4,
                         .micro_batches = 4})
                  .peak_bytes,
              0);
  }
}

// Groups of 2 among 4: the scattered half is summed across groups too.
TEST(StepPlan, ShardGroupsSumAcross) {
  const BucketPlan plan = planned(4, BucketCut::kBySize);
  const StepElements fast =
      plan_step(plan, {.stage = 2, .shard_size = 2}).elements;
  EXPECT_EQ(fast.reduce_scatter, plan.elements);
  EXPECT_EQ(fast.all_reduce, plan.elements / 2);
  EXPECT_EQ(fast.all_gather, plan.elements);
  const StepElements ranked = plan_step(plan,
                                        {.stage = 2,
                                         .shard_size = 2,
                                         .order = Order::kRanked,
                                         .micro_batches = 3})
                                  .elements;
  EXPECT_EQ(ranked.all_to_all, 3 * plan.elements);
  EXPECT_EQ(ranked.all_gather_sums, plan.elements / 2);
  EXPECT_EQ(ranked.reduce_scatter, 0);
}

}  // namespace
}  // namespace dure::parallel
