#include "dure/run/run_facts.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <string>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::train {
namespace {

using testing::HasSubstr;

RunStart a_start() {
  return {.time = "2026-01-02T03:04:05Z",
          .written_by = "dure 1 (abc)",
          .step = 7,
          .ranks = 3,
          .back_end = "mpi",
          .peak_flops = 1.5e11,
          .hosts = {{.name = "a\"b",
                     .processor = "Fast 9",
                     .cores = 4,
                     .threads = 8,
                     .memory = std::uint64_t{1} << 35,
                     .ranks = {0, 2}},
                    {.name = "c", .ranks = {1}}},
          .data = {.tokenizer = "bytes",
                   .sequence = 16,
                   .split = "9,1",
                   .train_samples = 5,
                   .validation_samples = 2,
                   .epochs = 1,
                   .files = {{.part = "train",
                              .prefix = "text",
                              .documents = 3,
                              .tokens = 99}}},
          .end = RunEnd{
              .time = "2026-01-02T03:05:05Z", .seconds = 60.5, .step = 9}};
}

TEST(RunFacts, AreReadAsTheyWereWritten) {
  RunStart goes_on = a_start();
  goes_on.end = {};
  const nlohmann::ordered_json json = std::vector<RunStart>{a_start(), goes_on};
  const auto starts = read_starts(json.dump(), "run.json");
  ASSERT_EQ(starts.size(), 2U);
  EXPECT_EQ(starts[0], a_start());
  EXPECT_EQ(starts[1], goes_on);
}

// Tests every way of leaving out or changing one value.
TEST(RunFacts, OfAnotherShapeAreAnError) {
  const nlohmann::ordered_json whole = std::vector<RunStart>{a_start()};
  for (const auto& item : whole[0].items()) {
    SCOPED_TRACE(item.key());
    nlohmann::ordered_json changed = whole;
    changed[0][item.key()] = nlohmann::ordered_json::array({nullptr});
    EXPECT_THROW(read_starts(changed.dump(), "run.json"), Error);
    if (item.key() != "ended") {
      changed[0].erase(item.key());
      EXPECT_THROW(read_starts(changed.dump(), "run.json"), Error);
    }
  }
  try {
    read_starts("{}", "out/run.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("out/run.json: wanted a JSON array"));
  }
}

TEST(UtcNow, IsAMomentInUtc) {
  EXPECT_THAT(utc_now(), testing::MatchesRegex("....-..-..T..:..:..Z"));
}

}  // namespace
}  // namespace dure::train
