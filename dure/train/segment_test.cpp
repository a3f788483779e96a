#include "dure/train/segment.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace dure::train {
namespace {

using parallel::ScheduleKind;

Pipeline pipeline(ScheduleKind kind) {
  Config config;
  config.model.layers = 4;
  config.parallel.pipeline = 4;
  config.parallel.virtual_stages = 1;
  config.parallel.schedule = kind;
  return pipeline_of(config);
}

TEST(Segment, HasTheVisitsOfEachStepUpToItsUpdate) {
  const Segment first =
      plan_segment(pipeline(ScheduleKind::kPipedream), 0, 1, 6);
  EXPECT_EQ(first.versions, (std::vector<int>{0, 0, 0, 0, 1, 2}));
  ASSERT_EQ(first.visits.size(), 6U);
  for (std::size_t step = 0; step < 6; ++step) {
    for (const nn::Visit& visit : first.visits[step]) {
      if (nn::writes_gradients(visit.access)) {
        EXPECT_EQ(visit.micro_batch, static_cast<int>(step));
      }
    }
  }
  // Three forwards are ahead: the first step has four, the last three have
  // none.
  const auto forwards = [&](std::size_t step) {
    return std::count_if(first.visits[step].begin(),
                         first.visits[step].end(),
                         [](const nn::Visit& visit) {
                           return visit.unit == 0 &&
                                  visit.access == nn::Access::kParameters;
                         });
  };
  EXPECT_EQ(forwards(0), 4);
  EXPECT_EQ(forwards(1), 1);
  EXPECT_EQ(forwards(3), 0);
}

TEST(Segment, Of2bwReadsTheWeightsBeforeTheLastUpdateOnEveryStage) {
  for (int rank = 0; rank < 4; ++rank) {
    const Segment segment =
        plan_segment(pipeline(ScheduleKind::kPipedream2bw), rank, 4, 3);
    EXPECT_EQ(segment.versions,
              (std::vector<int>{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1}));
    EXPECT_EQ(segment.visits.size(), 3U);
  }
}

TEST(Segment, EndsWhereTheWeightsOfOneStepAreWanted) {
  Config config;
  config.train.steps = 100;
  config.train.evaluate_every = 30;
  config.checkpoint.every = 20;
  EXPECT_EQ(steps_of_segment(config, 0), 1);  // 1f1b
  config.parallel.schedule = ScheduleKind::kPipedream;
  EXPECT_EQ(steps_of_segment(config, 0), 20);
  EXPECT_EQ(steps_of_segment(config, 20), 10);
  EXPECT_EQ(steps_of_segment(config, 25), 5);
  EXPECT_EQ(steps_of_segment(config, 90), 10);
  config.parallel.drain_every = 7;
  EXPECT_EQ(steps_of_segment(config, 0), 7);
  EXPECT_EQ(steps_of_segment(config, 98), 2);
  config.train.check_replicas_every = 3;
  EXPECT_EQ(steps_of_segment(config, 0), 3);
}

}  // namespace
}  // namespace dure::train
