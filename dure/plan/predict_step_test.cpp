#include "dure/plan/predict_step.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "dure/model/families/families.h"

namespace dure::plan {
namespace {

using parallel::ScheduleKind;

train::Config of_micro_batches(std::int64_t count) {
  train::Config config;
  config.model = model::preset("gpt2-124m");
  config.model.tie_embeddings = false;
  config.data.sequence = 64;
  config.train.micro_batch = 1;
  config.train.global_batch = count;
  return config;
}

TEST(PredictTime, FollowsTheDevice) {
  const train::Config config = train::resolve(of_micro_batches(1));
  const Machines slow = {
      .rates = {.flops_per_second = 1e11, .bytes_per_second = 1e10}};
  const Machines fast = {
      .rates = {.flops_per_second = 1e12, .bytes_per_second = 1e11}};
  EXPECT_NEAR(predict_time(config, slow).step_seconds,
              10 * predict_time(config, fast).step_seconds,
              1e-6);
}

// Machines on which messages take no time.
Machines without_messages() {
  Machines machines;
  machines.network.between = {.latency_seconds = 0, .bytes_per_second = 1e30};
  return machines;
}

train::Config of_stages(std::int64_t stages,
                        std::int64_t micro_batches,
                        ScheduleKind schedule) {
  train::Config config = of_micro_batches(micro_batches);
  config.parallel.pipeline = stages;
  config.parallel.schedule = schedule;
  return train::resolve(config);
}

// One rank's step is the sum of its parts.
TEST(PredictTime, OfOneStageHasNoBubble) {
  const Prediction one =
      predict_time(of_stages(1, 4, ScheduleKind::k1F1B), without_messages());
  ASSERT_EQ(one.stages.size(), 1U);
  EXPECT_NEAR(one.bubble(), 0, 1e-9);
  EXPECT_NEAR(one.step_seconds,
              one.stages[0].busy_seconds + one.stages[0].after_seconds,
              1e-9 * one.step_seconds);
}

// The work does not depend on the cut: the stages' actions add up to one
// stage's.
TEST(PredictTime, StagesShareTheWork) {
  const double one =
      predict_time(of_stages(1, 8, ScheduleKind::k1F1B), without_messages())
          .stages[0]
          .busy_seconds;
  for (const ScheduleKind schedule : {ScheduleKind::kGpipe,
                                      ScheduleKind::k1F1B,
                                      ScheduleKind::kInterleaved}) {
    double sum = 0;
    for (const StageTime& stage :
         predict_time(of_stages(4, 8, schedule), without_messages()).stages) {
      sum += stage.busy_seconds;
    }
    EXPECT_NEAR(sum, one, 1e-6 * one);
  }
}

// All micro-batches go through the slowest stage, and one through the others,
// with 1F1B and GPipe alike. It holds within 1 %, because the first one's
// gradients overwrite and the others' add.
TEST(PredictTime, OfAPipelineIsThatOfItsSlowestStage) {
  for (const ScheduleKind schedule :
       {ScheduleKind::kGpipe, ScheduleKind::k1F1B}) {
    const Prediction prediction =
        predict_time(of_stages(4, 8, schedule), without_messages());
    double slowest = 0;
    double all = 0;
    for (const StageTime& stage : prediction.stages) {
      slowest = std::max(slowest, stage.busy_seconds);
      all += stage.busy_seconds;
    }
    const double expected = slowest + (all - slowest) / 8;
    for (const StageTime& stage : prediction.stages) {
      EXPECT_NEAR(
          stage.busy_seconds + stage.idle_seconds, expected, 0.01 * expected);
    }
  }
}

// The bubble is (p - 1) / m of the work, and a v-th of that interleaved; the
// deferred half of the backward fills a part. These are the published orders.
TEST(PredictTime, OrdersSchedulesAsPublished) {
  const auto seconds = [](ScheduleKind schedule) {
    return predict_time(of_stages(4, 8, schedule), without_messages())
        .step_seconds;
  };
  const double flush = seconds(ScheduleKind::k1F1B);
  EXPECT_GT(seconds(ScheduleKind::kNaive), 1.5 * flush);
  EXPECT_LT(seconds(ScheduleKind::kInterleaved), flush);
  EXPECT_LT(seconds(ScheduleKind::kZbH1), flush);
}

TEST(PredictTime, CountsMessages) {
  Machines slow = without_messages();
  slow.network.between.latency_seconds = 1e-3;
  const train::Config config = of_stages(4, 8, ScheduleKind::k1F1B);
  const Prediction free = predict_time(config, without_messages());
  const Prediction late = predict_time(config, slow);
  EXPECT_NEAR(late.message_seconds, 1e-3, 1e-6);
  EXPECT_GT(late.step_seconds, free.step_seconds + 6 * 1e-3 - 1e-6);
}

// With kAfterUse weights are gathered twice a micro-batch, except for those
// that the backward finds still there; with kAfterStep all of a stage's weights
// are gathered once and kept.
TEST(GatherCosts, TradeMemoryForBytes) {
  train::Config config = of_micro_batches(8);
  config.parallel.pipeline = 2;
  config.parallel.data = 2;
  config.parallel.zero = 3;
  config.parallel.bucket_mb = 1;
  const std::vector<GatherCost> costs = gather_costs(train::resolve(config));
  ASSERT_EQ(costs.size(), 2U);
  EXPECT_STREQ(costs[0].name, "each_use");
  EXPECT_STREQ(costs[1].name, "once_a_step");
  EXPECT_GT(costs[0].gathered_bytes, 4 * costs[1].gathered_bytes);
  EXPECT_LE(costs[0].gathered_bytes, 8 * costs[1].gathered_bytes);
  EXPECT_GT(costs[1].high_water, costs[0].high_water);
}

}  // namespace
}  // namespace dure::plan
