#include "tests/oracle/step_plan.h"

#include <vector>

#include <gtest/gtest.h>

#include "dure/parallel/data/gathered_parameters.h"
#include "dure/parallel/data/visits_testing.h"

namespace dure::parallel {
namespace {

using Order = comm::SumOrder;

// A tied model of two blocks: embedding 0, blocks 1 and 2, norm 3, head 4.
std::vector<PlannedWeight> tied() {
  return {{.elements = 640, .units = {0, 4}},
          {.elements = 256, .units = {1}},
          {.elements = 256, .units = {2}},
          {.elements = 64, .units = {3}}};
}

BucketPlan planned(int ranks, BucketCut cut) {
  return plan_buckets(tied(),
                      {.gradients = DType::kF32,
                       .first_bytes = 1280,
                       .bytes = 2000,
                       .parts = {ranks},
                       .cut = cut});
}

constexpr int kUnits = 5;

StepPlan plan_of(const BucketPlan& plan,
                 const StepOf& step,
                 int micro_batches = 1) {
  return plan_step(plan, step, visits(kUnits, micro_batches));
}

TEST(StepPlan, VisitsGoForwardAndBack) {
  const std::vector<nn::Visit> two = visits(kUnits, 2);
  EXPECT_EQ(reading_order(two),
            (std::vector<int>{0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1}));
  std::vector<int> written;
  for (const nn::Visit& visit : two) {
    if (nn::writes_gradients(visit.access) && visit.micro_batch == 1) {
      written.push_back(visit.unit);
    }
  }
  EXPECT_EQ(written, (std::vector<int>{4, 3, 2, 1, 0}));
}

TEST(StepPlan, StagesZeroToTwoMoveTwiceTheElements) {
  for (const int ranks : {2, 4, 8}) {
    const BucketPlan plan = planned(ranks, BucketCut::kBySize);
    for (const int stage : {0, 1, 2}) {
      const StepPlan step =
          plan_of(plan, {.stage = stage, .shard_size = stage == 0 ? 1 : ranks});
      EXPECT_EQ(step.elements.moved(), 2 * plan.elements) << stage;
    }
  }
}

// After the forward, the head finds the embedding dropped and gathers it again;
// then the norm and the two blocks go backward.
TEST(StepPlan, StageThreeGathersTwiceLessWhatIsStillThere) {
  const BucketPlan plan = planned(2, BucketCut::kByUnits);
  ASSERT_EQ(plan.elements, 640 + 256 + 256 + 64);
  const auto gathered = [&](int prefetch) {
    return plan_of(plan, {.stage = 3, .shard_size = 2, .prefetch = prefetch})
        .elements.all_gather;
  };
  constexpr std::int64_t kForward = 640 + 256 + 256 + 64 + 640;
  EXPECT_EQ(gathered(0), kForward + 64 + 256 + 256);
  EXPECT_EQ(gathered(1), kForward + 64 + 256 + 256);
  // With two ahead, as the norm ends its forward, its backward is in sight.
  EXPECT_EQ(gathered(2), kForward + 256 + 256);
  // Eight ahead is the whole step.
  EXPECT_EQ(gathered(8), 640 + 256 + 256 + 64);
}

// The backward ends with block 1's, and the next micro-batch begins with the
// embedding's forward and block 1's. With two ahead, block 1 is still in sight
// when its backward ends, and is not gathered again.
TEST(StepPlan, PrefetchReachesIntoTheNextMicroBatch) {
  const BucketPlan plan = planned(2, BucketCut::kByUnits);
  const auto gathered = [&](int prefetch, int micro_batches) {
    return plan_of(plan,
                   {.stage = 3, .shard_size = 2, .prefetch = prefetch},
                   micro_batches)
        .elements.all_gather;
  };
  EXPECT_EQ(gathered(0, 2), 2 * gathered(0, 1));
  EXPECT_EQ(gathered(1, 2), 2 * gathered(1, 1));
  EXPECT_EQ(gathered(2, 2), 2 * gathered(2, 1) - 256);
  // With eight ahead each bucket is in sight all the time.
  EXPECT_EQ(gathered(8, 2), gathered(8, 1));
}

// Every bucket is gathered once, however many micro-batches there are.
TEST(StepPlan, StageThreeGathersOnceAStepWhereAskedTo) {
  const BucketPlan plan = planned(2, BucketCut::kByUnits);
  StepOf step = {.stage = 3, .shard_size = 2, .gather = Reshard::kAfterStep};
  for (const int micro_batches : {1, 2, 5}) {
    const StepPlan once = plan_of(plan, step, micro_batches);
    EXPECT_EQ(once.elements.all_gather, plan.elements);
    EXPECT_EQ(once.elements.reduce_scatter, micro_batches * plan.elements);
  }
  // The head runs with all values gathered, and its gradient (640).
  EXPECT_EQ(plan_of(plan, step, 1).peak_bytes, 4 * (plan.elements + 640));
  // With kAfterUse, block 1 goes backward with its own values (256) and
  // gradient (256), the embedding's gradient (640), which the head has begun,
  // and those of the norm (64) and block 2 (256), which are in flight.
  step.gather = Reshard::kAfterUse;
  step.prefetch = 0;
  EXPECT_EQ(plan_of(plan, step, 1).peak_bytes,
            4 * (640 + 64 + 256 + 256 + 256));
}

// The last case above, with values of 2 bytes, then with gradients of 2 bytes
// too.
TEST(StepPlan, CountsBytesOfTheTypes) {
  const BucketPlan plan = planned(2, BucketCut::kByUnits);
  StepOf step = {
      .stage = 3, .shard_size = 2, .prefetch = 0, .values = DType::kBf16};
  EXPECT_EQ(plan_of(plan, step, 1).peak_bytes,
            2 * 256 + 4 * (640 + 64 + 256 + 256));
  step.gradients = DType::kBf16;
  EXPECT_EQ(plan_of(plan, step, 1).peak_bytes,
            2 * (640 + 64 + 256 + 256 + 256));
}

// Two stages of a pipeline, with bucket 0 tied. With ranked sums the last stage
// sends the 640 elements of each micro-batch to the first, and holds both to
// the end of the step. Both move the part that they own.
TEST(StepPlan, TiedStagesExchangeASummandAMicroBatch) {
  const std::vector<PlannedWeight> weights = {
      {.elements = 640, .units = {4}, .group = 1},
      {.elements = 64, .units = {3}}};
  const BucketPlan plan =
      plan_buckets(weights, {.gradients = DType::kF32, .parts = {2}});
  const std::vector<nn::Visit> last = {{3, nn::Access::kParameters, 0},
                                       {4, nn::Access::kBoth, 0},
                                       {3, nn::Access::kParameters, 1},
                                       {4, nn::Access::kBoth, 1},
                                       {3, nn::Access::kBoth, 0},
                                       {3, nn::Access::kBoth, 1}};
  StepOf step = {.stage = 2,
                 .shard_size = 2,
                 .order = Order::kRanked,
                 .tied = TiedBucket{.bucket = 0, .stage = TiedStage::kLast}};
  const StepPlan ranked = plan_step(plan, step, last);
  EXPECT_EQ(ranked.elements.tied_messages, 2 * 640 + 320);
  EXPECT_EQ(ranked.elements.all_to_all, 2 * 64);
  // For each micro-batch 64 elements are sent and received.
  EXPECT_EQ(ranked.peak_bytes, 4 * (2 * 640 + 2 * (64 + 64)));
  step.tied->stage = TiedStage::kFirst;
  const StepElements first = plan_step(plan, step, last).elements;
  EXPECT_EQ(first.tied_messages, 2 * 640 + 320);
  EXPECT_EQ(first.all_to_all, 2 * (640 + 64));
  step.order = Order::kFast;
  const StepElements fast = plan_step(plan, step, last).elements;
  EXPECT_EQ(fast.tied_messages, 0);
  EXPECT_EQ(fast.all_reduce_tied, 320);
  EXPECT_EQ(fast.reduce_scatter, 2 * (640 + 64));
}

// Stage 2, one micro-batch. The buckets are, from the last, norm with block 2
// (320), block 1 (256), and the embedding (640) alone, which the head writes to
// first. All three exist when block 1 ends.
TEST(StepPlan, HoldsBucketsThatAreWrittenAndTwoOnTheirWay) {
  const BucketPlan plan = planned(2, BucketCut::kBySize);
  ASSERT_EQ(plan.buckets.size(), 3);
  const StepOf step = {.stage = 2, .shard_size = 2};
  EXPECT_EQ(plan_of(plan, step).peak_bytes, 4 * (640 + 256 + 320));
  // A second micro-batch finds the embedding's (640) in flight, until block 1
  // ends; its own are received into parts (the 320 into 160).
  EXPECT_EQ(plan_of(plan, step, 2).peak_bytes,
            4 * (640 + 640 + (320 + 160) + 256));
  EXPECT_EQ(plan_of(plan, step, 2).elements.reduce_scatter, 2 * plan.elements);
  // From the third on, buckets in flight have such a part too.
  for (const int micro_batches : {3, 4, 7}) {
    EXPECT_EQ(plan_of(plan, step, micro_batches).peak_bytes,
              4 * ((640 + 320) + 640 + (320 + 160) + 256));
  }
}

TEST(StepPlan, PlainSumsTakeNoMemory) {
  const BucketPlan plan = planned(4, BucketCut::kBySize);
  for (const int stage : {0, 1}) {
    EXPECT_EQ(
        plan_of(plan, {.stage = stage, .shard_size = stage == 0 ? 1 : 4}, 4)
            .peak_bytes,
        0);
  }
}

// There are groups of 2 among 4 ranks: the scattered half is summed across
// groups too.
TEST(StepPlan, ShardGroupsSumAcross) {
  const BucketPlan plan = planned(4, BucketCut::kBySize);
  const StepElements fast =
      plan_of(plan, {.stage = 2, .shard_size = 2}).elements;
  EXPECT_EQ(fast.reduce_scatter, plan.elements);
  EXPECT_EQ(fast.all_reduce, plan.elements / 2);
  EXPECT_EQ(fast.all_gather, plan.elements);
  const StepElements ranked =
      plan_of(plan, {.stage = 2, .shard_size = 2, .order = Order::kRanked}, 3)
          .elements;
  EXPECT_EQ(ranked.all_to_all, 3 * plan.elements);
  EXPECT_EQ(ranked.all_gather_sums, plan.elements / 2);
  EXPECT_EQ(ranked.reduce_scatter, 0);
}

}  // namespace
}  // namespace dure::parallel
