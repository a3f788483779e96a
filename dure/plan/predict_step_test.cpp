#include "dure/plan/predict_step.h"

#include <vector>

#include <gtest/gtest.h>

#include "dure/model/presets.h"
#include "dure/parallel/pipeline/replay.h"
#include "dure/train/pipeline.h"

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

}  // namespace
}  // namespace dure::plan
