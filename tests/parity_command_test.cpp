// `dure parity`: what it agrees to, what it refuses, and the shape of its JSON.
#include <algorithm>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/layout_run.h"

namespace dure {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct ParityCommand : LayoutRun {
  std::string config(const std::string& name, const std::string& more) const {
    const Path file = folder / name;
    write_file_atomically(file,
                          "[model]\nlayers = 2\nhidden = 32\nheads = 4\n"
                          "vocabulary = 300\nmax_sequence = 16\n"
                          "[data]\ntrain = [\"" +
                              (folder / "text").string() +
                              "\"]\n"
                              "[train]\nsteps = 40\nglobal_batch = 8\n"
                              "[optimizer]\nwarmup_steps = 2\n" +
                              more);
    return file.string();
  }

  Outcome parity(const std::string& arguments) const {
    return run("", "parity " + config("run.toml", "") + " " + arguments);
  }

  json facts(const std::string& arguments) const {
    const Outcome outcome = parity(arguments + " --json");
    EXPECT_EQ(outcome.exit_code, 0) << arguments << ": " << outcome.text;
    return json::parse(json_of(outcome.text));
  }
};

std::vector<std::string> keys_of(const ordered_json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) {
    keys.push_back(key);
  }
  return keys;
}

TEST_F(ParityCommand, AgreesToTheBitWhereEverySumIsCutAlike) {
  for (const char* layout : {
           "--ranks 4",
           "--ranks 4 --set parallel.zero=3 --set parallel.zero_group=2",
           "--ranks 4 --set parallel.pipeline=2 --set parallel.zero=1 "
           "--set model.dropout=0.1",
           "--ranks 4 --set parallel.pipeline=2 --set parallel.schedule=zb-v "
           "--set optimizer.name=lamb --set memory.recompute=full",
       }) {
    const json all = facts(layout);
    EXPECT_EQ(all["agrees"], true);
    EXPECT_EQ(all["bounds"]["rule"], "every bit");
    EXPECT_EQ(all["steps"].size(), 3);
    for (const json& step : all["steps"]) {
      EXPECT_EQ(step["weight_difference"], 0) << layout;
      EXPECT_EQ(step["loss"], step["reference_loss"]) << layout;
    }
    EXPECT_EQ(all["evaluation"], all["reference_evaluation"]) << layout;
    EXPECT_EQ(all["layout"]["sums"], "ranked");
  }
}

TEST_F(ParityCommand, AgreesWithinTheBoundsElsewhere) {
  for (const char* layout : {
           "--ranks 2 --set parallel.tensor=2",
           "--ranks 4 --set parallel.tensor=2 --set parallel.sequence=true",
           "--ranks 8 --set parallel.tensor=2 --set parallel.pipeline=2 "
           "--set parallel.sums=fast",
       }) {
    const json adamw = facts(layout);
    EXPECT_EQ(adamw["bounds"]["rule"], "rounding, other optimizers");
    EXPECT_EQ(adamw["bounds"]["steps"][0]["gradient"], 1e-5);
    EXPECT_EQ(adamw["bounds"]["steps"][1]["gradient"], nullptr);
    EXPECT_GT(adamw["steps"][2]["weight_difference"], 0);
    const json sgd = facts(std::string(layout) + " --set optimizer.name=sgd");
    EXPECT_EQ(sgd["bounds"]["steps"][2]["weight"], 1e-5);
    EXPECT_LE(sgd["steps"][2]["weight_difference"], 1e-5);
  }
}

TEST_F(ParityCommand, StartsFromTheWeightsThatTheRunWould) {
  const std::string directory = (folder / "out").string();
  const Outcome trained =
      run("",
          "train " + config("run.toml", "") +
              " --set train.steps=4 --set log.directory=" + directory);
  ASSERT_EQ(trained.exit_code, 0) << trained.text;
  const json drawn = facts("--ranks 4 --steps 1");
  const json loaded = facts(
      "--ranks 4 --steps 1 --set parallel.zero=3 "
      "--set train.from=" +
      directory + "/checkpoints");
  EXPECT_EQ(loaded["agrees"], true);
  EXPECT_LT(loaded["steps"][0]["loss"], drawn["steps"][0]["loss"]);
}

// Tensor ranks decide the bits, and nothing else does.
TEST_F(ParityCommand, ComparesWithAnotherLayout) {
  const std::string other = config("other.toml", "[parallel]\ntensor = 2\n");
  const json all =
      facts("--ranks 4 --set parallel.tensor=2 --against " + other);
  EXPECT_EQ(all["bounds"]["rule"], "every bit");
  EXPECT_EQ(all["reference"]["ranks"], 2);
  const json parts =
      facts("--ranks 4 --set parallel.tensor=2 --against " + other +
            " --against-set parallel.data=2 "
            "--against-set parallel.zero=3 "
            "--against-set parallel.pipeline=2");
  EXPECT_EQ(parts["reference"]["ranks"], 8);
  EXPECT_EQ(parts["steps"][2]["weight_difference"], 0);
}

// Two scales give one gradient, up to what fp16 rounds; as they are held, they
// differ by 63 / 64 of the larger. Gradients of an update
// that both sides leave out are not compared: they overflow.
TEST_F(ParityCommand, ComparesGradientsWithoutTheLossScale) {
  const std::string fp16 = "--set precision.compute=fp16 ";
  const std::string same = config("same.toml", "");
  const json scales =
      facts(fp16 + "--ranks 2 --steps 1 --set precision.loss_scale=1024 " +
            "--against " + same + " --against-set precision.compute=fp16 " +
            "--against-set precision.loss_scale=65536");
  EXPECT_GT(scales["steps"][0]["gradient_difference"], 0);
  EXPECT_LT(scales["steps"][0]["gradient_difference"], 0.1);
  const json skipped = facts(fp16 + "--ranks 2 --set parallel.tensor=2");
  EXPECT_EQ(skipped["agrees"], true);
  for (const json& step : skipped["steps"]) {
    EXPECT_EQ(step["gradient_difference"], 0);
    EXPECT_EQ(step["weight_difference"], 0);
  }
}

TEST_F(ParityCommand, ComparesASegmentOfAScheduleWithoutFlush) {
  const std::string asynchronous =
      "--set parallel.schedule=pipedream --set parallel.pipeline=2 "
      "--set optimizer.clip_gradient=0 --set model.tie_embeddings=false ";
  const Outcome alone = parity("--ranks 2 " + asynchronous);
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_THAT(alone.text,
              HasSubstr("or --against a configuration of the same"));
  const std::string same = asynchronous + "--ranks 4 --set parallel.data=2 ";
  std::string against = "--against " + config("run.toml", "");
  for (std::string set : {"parallel.schedule=pipedream",
                          "parallel.pipeline=2",
                          "optimizer.clip_gradient=0",
                          "model.tie_embeddings=false",
                          "parallel.data=2"}) {
    against += " --against-set " + set;
  }
  const json all = facts(same + "--set parallel.zero=1 " + against);
  EXPECT_EQ(all["agrees"], true);
  EXPECT_EQ(all["steps"][1]["weight_difference"], nullptr);
  EXPECT_EQ(all["steps"][2]["weight_difference"], 0);
}

TEST_F(ParityCommand, SaysWhatIsWrongWithTheConfiguration) {
  const std::string other =
      config("other.toml", "learning_rate = 1\n[parallel]\ntensor = 2\n");
  for (const auto& [arguments, words] : {
           std::pair<std::string, const char*>{
               "", "the configuration's layout is one rank"},
           {"--ranks 3", "micro_batch"},
           {"--ranks 2 --set parallel.tensor=4", "ranks"},
           {"--ranks 2 --steps 41", "--steps: wanted at most train.steps, 40"},
           {"--ranks 2 --set train.device=sim", "train.device: wanted \"cpu\""},
           {"--ranks 2 --against " + other,
            "optimizer.learning_rate: wanted the same in both configurations"},
           {"--ranks 2 --against-set parallel.tensor=2",
            "--against-set requires --against"},
           {"--ranks 2 --against " + (folder / "none").string(),
            "there is no configuration"},
       }) {
    const Outcome outcome = parity(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments << ": " << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(words)) << arguments;
  }
}

TEST_F(ParityCommand, RefusesToBeSeveralProcesses) {
#ifdef DURE_MPIRUN
  const Outcome outcome =
      run(DURE_MPIRUN " -n 2", "parity " + config("run.toml", ""));
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.text, HasSubstr("start it by hand, with --ranks"));
#else
  GTEST_SKIP() << "built without MPI";
#endif
}

TEST_F(ParityCommand, KnowsOneBoundForOtherMicroBatches) {
  const json all =
      facts("--ranks 2 --set train.micro_batch=1 --against " +
            config("other.toml", "") + " --against-set train.micro_batch=2");
  EXPECT_EQ(all["bounds"]["rule"], "other micro-batches");
  EXPECT_EQ(all["steps"][0]["loss_difference"], 0);
  EXPECT_GT(all["steps"][0]["gradient_difference"], 0);
}

// Steps of AdamW as large as weights make of a rounding what no bound allows.
TEST_F(ParityCommand, NamesTheFirstDifference) {
  const std::string arguments =
      "--ranks 2 --steps 20 --set parallel.tensor=2 "
      "--set optimizer.learning_rate=1 --set optimizer.minimum_learning_rate=1 "
      "--set optimizer.warmup_steps=0";
  const Outcome people = parity(arguments);
  EXPECT_EQ(people.exit_code, 1) << people.text;
  EXPECT_THAT(people.text, HasSubstr(": the loss is "));
  EXPECT_THAT(people.text, HasSubstr("docs/numerics.md allows 1e-05"));
  EXPECT_THAT(people.text, Not(HasSubstr("agrees")));
  const Outcome outcome = parity(arguments + " --json 2>/dev/null");
  EXPECT_EQ(outcome.exit_code, 1);
  const auto all = ordered_json::parse(json_of(outcome.text));
  EXPECT_EQ(all["agrees"], false);
  EXPECT_EQ(all["evaluation"], nullptr);
  const ordered_json& difference = all["difference"];
  EXPECT_THAT(keys_of(difference),
              ElementsAre("step",
                          "quantity",
                          "weight",
                          "element",
                          "index",
                          "rank",
                          "value",
                          "reference_value",
                          "scale",
                          "bound"));
  EXPECT_EQ(difference["quantity"], "loss");
  EXPECT_EQ(difference["step"], all["steps"].back()["step"]);
  EXPECT_EQ(difference["value"], all["steps"].back()["loss"]);
  EXPECT_EQ(difference["element"], nullptr);
}

// Stable: scripts read it (`dure parity --help`).
TEST_F(ParityCommand, PrintsTheShapeThatIsDocumented) {
  const Outcome outcome =
      parity("--ranks 2 --steps 2 --set parallel.tensor=2 --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  const auto all = ordered_json::parse(json_of(outcome.text));
  EXPECT_THAT(keys_of(all),
              ElementsAre("agrees",
                          "layout",
                          "reference",
                          "bounds",
                          "weights",
                          "elements",
                          "steps",
                          "evaluation",
                          "reference_evaluation",
                          "difference"));
  EXPECT_THAT(keys_of(all["layout"]),
              ElementsAre("ranks",
                          "pipeline",
                          "data",
                          "tensor",
                          "sequence",
                          "zero",
                          "zero_group",
                          "schedule",
                          "virtual_stages",
                          "sums",
                          "micro_batch"));
  EXPECT_EQ(keys_of(all["reference"]), keys_of(all["layout"]));
  EXPECT_THAT(keys_of(all["bounds"]),
              ElementsAre("rule", "when", "reason", "steps"));
  EXPECT_THAT(keys_of(all["bounds"]["steps"][1]),
              ElementsAre("loss", "gradient", "norm", "weight", "evaluation"));
  EXPECT_THAT(keys_of(all["steps"][1]),
              ElementsAre("step",
                          "loss",
                          "reference_loss",
                          "loss_difference",
                          "norm",
                          "reference_norm",
                          "norm_difference",
                          "gradient_difference",
                          "worst_gradient",
                          "weight_difference",
                          "worst_weight"));
  EXPECT_EQ(all["steps"][1]["step"], 2);
  EXPECT_EQ(all["weights"], 28);
  EXPECT_EQ(all["difference"], nullptr);
}

TEST_F(ParityCommand, TellsPeopleWhatIsHeldToWhat) {
  const Outcome outcome = parity("--ranks 4 --set parallel.zero=1");
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* words : {"layout      4 ranks = pipeline 1 x data 4",
                            "reference   1 rank = ",
                            "every step  loss every bit",
                            "agrees: 3 steps, and 28 weights and gradients"}) {
    EXPECT_THAT(outcome.text, HasSubstr(words));
  }
  EXPECT_THAT(parity("--ranks 2 --set parallel.tensor=2 --steps 22").text,
              HasSubstr("after 20    none"));
}

}  // namespace
}  // namespace dure
