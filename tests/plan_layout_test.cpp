// `dure plan layout` states its assumptions about the machines, and `dure plan
// devices` the sources of its figures.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/program.h"

namespace dure {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kSmall =
    "plan layout --preset gpt2-124m --set model.layers=2 "
    "--set train.global_batch=1 ";

json facts(const std::string& arguments) {
  const Outcome outcome = run("", arguments + " --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  return json::parse(outcome.text);
}

TEST(PlanLayout, SaysWhereEveryRateIsFrom) {
  const Outcome outcome =
      run("", kSmall + std::string("--device h100-sxm --link 5e10"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  for (const char* words : {"0.75 of h100-sxm's 67 TFLOP/s in fp32",
                            "0.75 of h100-sxm's 3.35 TB/s",
                            "0.75 of h100-sxm's 450 GB/s one way",
                            "50 GB/s       given"}) {
    EXPECT_THAT(outcome.text, HasSubstr(words));
  }
  EXPECT_THAT(run("", kSmall).text, HasSubstr("of no particular machine"));
}

// A step is as fast as the assumed rates.
TEST(PlanLayout, FollowsTheDevice) {
  const json devices = facts("plan devices");
  double a100_memory = 0;
  for (const json& device : devices) {
    if (device["name"] == "a100-80g-sxm") {
      a100_memory = device["memory_bytes_per_second"].get<double>();
    }
  }
  const json all = facts(kSmall + std::string("--device a100-80g-sxm "
                                              "--reach 1"));
  EXPECT_EQ(all["assumed"]["memory_bytes"]["per_second"], a100_memory);
  const json half = facts(kSmall + std::string("--device a100-80g-sxm "
                                               "--reach 0.5"));
  EXPECT_NEAR(half["step_seconds"].get<double>(),
              2 * all["step_seconds"].get<double>(),
              1e-3 * half["step_seconds"].get<double>());
  const json tf32 = facts(kSmall + std::string("--device a100-80g-sxm "
                                               "--reach 1 --products tf32"));
  EXPECT_LT(tf32["step_seconds"], all["step_seconds"]);
  const json bf16 = facts(kSmall + std::string("--device a100-80g-sxm "
                                               "--reach 1 --set "
                                               "precision.compute=bf16"));
  EXPECT_EQ(bf16["assumed"]["flops"]["per_second"], 312e12);
}

TEST(PlanLayout, ComparesTheMemoryWithTheDevices) {
  const std::string large =
      "plan layout --preset gpt3-2.7b --set train.global_batch=1 --device ";
  EXPECT_EQ(facts(large + "a100-80g-sxm")["fits"], true);
  EXPECT_EQ(facts(large + "rtx-4090")["fits"], false);
  EXPECT_EQ(facts(large + "rtx-4090 --set memory.limit_gib=1000")["fits"],
            true);
}

TEST(PlanLayout, SaysWhatWouldDo) {
  for (const auto& [arguments, words] : {
           std::pair{"--device h100", "did you mean h100-sxm or h100-pcie?"},
           {"--device v100-sxm2-32g --products bf16", "it has fp32, fp16"},
           {"--reach 0.5", "--reach requires --device"},
       }) {
    const Outcome outcome = run("", kSmall + std::string(arguments));
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_THAT(outcome.text, HasSubstr(words));
  }
}

}  // namespace
}  // namespace dure
