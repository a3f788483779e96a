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
      .loss_scale = 1024,
      .gradient_exponents =
          train::GradientExponents{
              .zeros = 3,
              .nonfinite = 1,
              .unscaled = {.first = -30, .counts = {1, 0, 5}},
              .scaled =
                  train::ExponentHistogram{.first = -20, .counts = {1, 0, 5}}},
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
  EXPECT_EQ(found.loss_scale, 1024);
  EXPECT_EQ(found.gradient_exponents, metrics.gradient_exponents);
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

TEST(ReadMetrics, RefusesHistogramsThatNoRunWrites) {
  const std::string begin =
      line(1).substr(0, line(1).size() - 2) + R"(,"gradient_exponents":)";
  const auto error_of_histogram = [&](const std::string& histogram) {
    return error_of(begin + R"({"zeros":1,"nonfinite":0,"unscaled":)" +
                    histogram + "}}\n");
  };
  EXPECT_EQ(error_of_histogram(R"({"first":-3,"counts":[1,2]})"), "");
  for (const char* histogram :
       {"5",
        "[]",
        R"({"first":-3})",
        R"({"first":0.5,"counts":[1]})",
        R"({"first":-9223372036854775808,"counts":[1]})",
        R"({"first":18446744073709551615,"counts":[1]})",
        R"({"first":-3,"counts":{"1":2}})",
        R"({"first":-3,"counts":[-1]})",
        R"({"first":-3,"counts":[9223372036854775807]})"}) {
    EXPECT_THAT(error_of_histogram(histogram),
                HasSubstr("m.jsonl:1: wanted \"gradient_exponents\" as"))
        << histogram;
  }
  EXPECT_THAT(error_of(begin + "7}\n"), HasSubstr("\"gradient_exponents\""));
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
