// Calls `dure plan schedule`.
#include <filesystem>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <string>
#include <unistd.h>

#include "dure/base/files.h"
#include "tests/program.h"

namespace dure {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

Outcome plan(const std::string& arguments) {
  return run("", "plan schedule " + arguments);
}

json facts(const std::string& arguments) {
  return json::parse(plan(arguments + " --json").text);
}

TEST(PlanSchedule, PrintsTheShapeThatScriptsRead) {
  const json one = facts("--stages 4 --micro-batches 8 --schedule 1f1b");
  EXPECT_EQ(one["makespan"], 33);
  EXPECT_EQ(one["bubble"], json({9, 9, 9, 9}));
  EXPECT_EQ(one["peak_in_flight"], json({4, 3, 2, 1}));
  EXPECT_EQ(one["weight_versions"], json({1, 1, 1, 1}));
  const json interleaved =
      facts("--stages 4 --micro-batches 8 --schedule interleaved");
  EXPECT_EQ(interleaved["makespan"], 28.5);
  EXPECT_EQ(interleaved["bubble"], json({4.5, 4.5, 4.5, 4.5}));
}

TEST(PlanSchedule, GivesAsynchronousOnesTheirUpdates) {
  const json pipedream =
      facts("--stages 4 --micro-batches 8 --schedule pipedream");
  EXPECT_EQ(pipedream["update_every"], 1);
  EXPECT_EQ(pipedream["weight_versions"], json({4, 3, 2, 1}));
  const json two = facts(
      "--stages 4 --micro-batches 8 --schedule "
      "pipedream-2bw");
  EXPECT_EQ(two["update_every"], 4);
  EXPECT_EQ(two["weight_versions"], json({2, 2, 2, 2}));
}

TEST(PlanSchedule, SplitsTheBackwardAsGiven) {
  const std::string schedule = "--stages 2 --micro-batches 4 --schedule zb-h1 ";
  EXPECT_EQ(facts(schedule), facts(schedule + "--input 1 --weight 1"));
  EXPECT_EQ(facts(schedule + "--weight 0.5"),
            facts(schedule + "--backward 2 --input 1.5"));
  const Outcome wrong = plan(schedule + "--backward 2 --input 1 --weight 2");
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.text, HasSubstr("--input + --weight = 3, got 2"));
  EXPECT_EQ(plan(schedule + "--backward 2 --input 3").exit_code, 2);
}

TEST(PlanSchedule, DrawsAndCounts) {
  const Outcome drawn = plan("--stages 3 --micro-batches 4 --schedule 1f1b");
  EXPECT_EQ(drawn.exit_code, 0);
  EXPECT_THAT(drawn.text,
              AllOf(HasSubstr("rank 2  .. .. F0 B0 B0 F1 B1 B1"),
                    HasSubstr("makespan 18; bubble 6: 33.3 % of the time, "
                              "50.0 % of the work")));
}

TEST(PlanSchedule, ComparesAllAndSaysWhichCannotBe) {
  const Outcome all = plan("--stages 4 --micro-batches 6");
  EXPECT_EQ(all.exit_code, 0);
  EXPECT_THAT(all.text,
              AllOf(HasSubstr("zb-2p"),
                    HasSubstr("\"interleaved\" takes micro-batches in rounds"),
                    HasSubstr("4 or 8 would do")));
  const json list = facts("--stages 4 --micro-batches 6");
  EXPECT_EQ(list.size(), 9);
  EXPECT_EQ(list[0]["schedule"], "naive");
  EXPECT_TRUE(list[3].contains("refused"));
}

TEST(PlanSchedule, WritesADrawingForBrowsers) {
  const Path path = std::filesystem::temp_directory_path() /
                    ("dure_schedule_" + std::to_string(::getpid()) + ".svg");
  const Outcome outcome = plan(
      "--stages 2 --micro-batches 4 --schedule zb-v --svg " + path.string());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_THAT(read_file(path),
              AllOf(HasSubstr("<svg xmlns"), HasSubstr("F3.1: ")));
  std::filesystem::remove(path);
}

TEST(PlanSchedule, SaysWhatWouldDo) {
  const std::string sizes = "--stages 4 --micro-batches 10 --schedule ";
  for (const auto& [arguments, words] : {
           std::pair{"interleaved", "8 or 12 would do"},
           {"interleave", "did you mean interleaved?"},
           {"gpipe --virtual-stages 2", "parallel.virtual_stages = 1, got 2"},
           {"pipedream-2bw", "8 or 12 would do"},
           {"pipedream-2bw --update-every 2", "wanted 4 or more, got 2"},
           {"1f1b --update-every 2", "--update-every is for"},
           {"all --svg x.svg", "wanted one --schedule"},
       }) {
    const Outcome outcome = plan(sizes + arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_THAT(outcome.text, HasSubstr(words));
  }
  const Outcome large =
      plan("--stages 100000 --micro-batches 1000 --schedule gpipe");
  EXPECT_EQ(large.exit_code, 2);
  EXPECT_THAT(large.text, HasSubstr("at most 16777216"));
}

}  // namespace
}  // namespace dure
