#include "dure/report/metrics_series.h"

#include <cmath>
#include <gmock/gmock.h>
#include <limits>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::report {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string line(std::int64_t step) {
  return train::to_json({.step = step, .loss = 0.1 + 0.2, .tokens = 7}) + "\n";
}

std::string error_of(const std::string& text) {
  try {
    read_metrics(text, "m.jsonl");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ReadMetrics, GivesBackWhatARunWrote) {
  const train::Metrics metrics = {
      .step = 3,
      .loss = 0.1 + 0.2,
      .learning_rate = 1e-3,
      .grad_norm = std::numeric_limits<double>::infinity(),
      .tokens = 1 << 20,
      .tokens_per_second = 12.5,
      .model_flops_utilization = 0.25,
      .validation_loss = 4.5,
      .skipped = "the gradient of \"x\"",
      .communicated = {{"data", {{"all_reduce", 80}}}}};
  const MetricsSeries series =
      read_metrics(train::to_json(metrics) + "\n", "m.jsonl");
  ASSERT_EQ(series.lines.size(), 1);
  const train::Metrics& found = series.lines[0];
  EXPECT_EQ(found.step, 3);
  EXPECT_EQ(found.loss, 0.1 + 0.2);
  EXPECT_EQ(found.learning_rate, 1e-3);
  EXPECT_TRUE(std::isnan(found.grad_norm));
  EXPECT_EQ(found.tokens, 1 << 20);
  EXPECT_EQ(found.tokens_per_second, 12.5);
  EXPECT_EQ(found.model_flops_utilization, 0.25);
  EXPECT_EQ(found.validation_loss, 4.5);
  EXPECT_EQ(found.skipped, "the gradient of \"x\"");
  EXPECT_EQ(series.communicated, metrics.communicated);
}

TEST(ReadMetrics, SumsWhatLinesCommunicated) {
  const train::Metrics first = {
      .step = 1, .communicated = {{"data", {{"all_reduce", 80}}}}};
  const train::Metrics second = {
      .step = 2,
      .communicated = {{"data", {{"all_reduce", 8}, {"broadcast", 1}}},
                       {"tensor", {{"all_reduce", 5}}}}};
  const Traffic wanted = {{"data", {{"all_reduce", 88}, {"broadcast", 1}}},
                          {"tensor", {{"all_reduce", 5}}}};
  EXPECT_EQ(
      read_metrics(train::to_json(first) + "\n" + train::to_json(second), "m")
          .communicated,
      wanted);
}

TEST(ReadMetrics, LeavesOutALastLineThatIsBrokenOff) {
  EXPECT_EQ(read_metrics(line(1) + line(2).substr(0, 30), "m").lines.size(), 1);
  EXPECT_TRUE(read_metrics("", "m").lines.empty());
}

TEST(ReadMetrics, NamesTheLineThatIsWrong) {
  EXPECT_THAT(error_of(line(1) + "{\"step\": 2, \"lo\n" + line(3)),
              StartsWith("m.jsonl:2: wanted a JSON object"));
  EXPECT_THAT(error_of(line(1) + "{\"step\": 2}\n"),
              HasSubstr("m.jsonl:2: wanted a number \"loss\""));
  EXPECT_THAT(error_of(line(2) + line(2)),
              HasSubstr("m.jsonl:2: step 2 follows step 2"));
  EXPECT_THAT(error_of("{\"step\": 1.5}\n"),
              HasSubstr("m.jsonl:1: wanted a whole number \"step\""));
}

}  // namespace
}  // namespace dure::report
