#include "dure/run/metrics.h"

#include <limits>
#include <unistd.h>

#include <gtest/gtest.h>

namespace dure::train {
namespace {

TEST(Metrics, KeepAllDigits) {
  const Metrics metrics = {.step = 3, .loss = 0.1 + 0.2, .tokens = 7};
  const std::string json = to_json(metrics);
  EXPECT_NE(json.find("\"loss\":0.30000000000000004"), std::string::npos);
  EXPECT_EQ(json.find("validation_loss"), std::string::npos);
}

TEST(Metrics, SayWhatWasSkippedAndWhatIsNotANumber) {
  const std::string json =
      to_json({.loss = std::numeric_limits<double>::quiet_NaN(),
               .skipped = "the gradient of \"x\""});
  EXPECT_NE(json.find("\"loss\":null"), std::string::npos);
  EXPECT_NE(json.find(R"("skipped":"the gradient of \"x\"")"),
            std::string::npos);
}

TEST(Metrics, HaveTheHistogramsOfGradientsThatWereCounted) {
  const GradientExponents unscaled = {
      .zeros = 4, .unscaled = {.first = -26, .counts = {1, 0, 1, 2}}};
  EXPECT_NE(to_json({.gradient_exponents = unscaled})
                .find(R"("gradient_exponents":{"elements":8,"zeros":4,)"
                      R"("nonfinite":0,"unscaled":{"below_least":0.25,)"
                      R"("below_normal":1.0,"first":-26,"counts":[1,0,1,2]}})"),
            std::string::npos);
  GradientExponents scaled = unscaled;
  scaled.scaled = {.first = -16, .counts = {1, 0, 1, 2}};
  EXPECT_NE(to_json({.gradient_exponents = scaled})
                .find(R"(,"scaled":{"below_least":0.0,"below_normal":0.25,)"
                      R"("first":-16,"counts":[1,0,1,2]}})"),
            std::string::npos);
  EXPECT_EQ(to_json({}).find("gradient_exponents"), std::string::npos);
}

TEST(MetricsFile, GoesOnAfterTheLastStepKept) {
  const Path path = std::filesystem::temp_directory_path() /
                    ("dure_metrics_" + std::to_string(::getpid()));
  const std::string first = to_json({.step = 1}) + "\n";
  const std::string second = to_json({.step = 2}) + "\n";
  write_file_atomically(path, first + second + "{\"step\": 3, \"lo");
  { MetricsFile(path, 1).append({.step = 2, .loss = 5}); }
  EXPECT_EQ(read_file(path), first + to_json({.step = 2, .loss = 5}) + "\n");
  { MetricsFile anew(path, 0); }
  EXPECT_EQ(read_file(path), "");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace dure::train
