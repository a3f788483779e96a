// Checkpoints that are damaged, incomplete or of another kind, and runs that
// could not save their results, through the program itself.
#include <gmock/gmock.h>
#include <string>

#include <gtest/gtest.h>

#include "tests/trained_folder.h"

namespace dure {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class BadCheckpoint : public TrainedFolder {
 protected:
  // A run of 4 steps with a checkpoint at 2 and 4.
  static void train(const std::string& name) {
    ASSERT_EQ(dure(of(name)).exit_code, 0);
  }
  static std::string of(const std::string& name) {
    return "train config.toml --set train.steps=4 --set checkpoint.every=2 "
           "--set optimizer.decay_steps=4 --set log.directory=" +
           name;
  }
  static std::string step(const std::string& name, int step) {
    return name + "/checkpoints/step_0000000" + std::to_string(step) + "/";
  }

  // Flips one bit of a file.
  static void flip(const std::string& file, std::size_t from_end) {
    std::string text = read(file);
    const std::size_t at = text.size() - from_end;
    text[at] = static_cast<char>(text[at] ^ 64);
    write(file, text);
  }
};

TEST_F(BadCheckpoint, NoCommandUsesADamagedWeight) {
  train("a");
  flip(step("a", 4) + "model.safetensors", 300);
  EXPECT_EQ(dure("checkpoint verify a").exit_code, kFailed);
  const std::string whole =
      dure("eval --checkpoint " + step("a", 2) + " --data text").output;
  for (const std::string command :
       {"eval --checkpoint a --data text",
        "generate --checkpoint a --prompt x --tokens 2",
        "convert --from dure a --to hf converted",
        "checkpoint diff a a"}) {
    SCOPED_TRACE(command);
    const Outcome outcome = dure(command);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    EXPECT_THAT(outcome.errors,
                AllOf(HasSubstr("step_00000004"),
                      HasSubstr("model.safetensors is damaged"),
                      HasSubstr("step_00000002 is taken")));
  }
  EXPECT_EQ(dure("eval --checkpoint a --data text").output, whole);
  // A checkpoint that is named itself is not replaced by another.
  for (const std::string command :
       {"eval --data text --checkpoint ",
        "generate --prompt x --tokens 2 --checkpoint ",
        "checkpoint diff a ",
        "convert --to hf none --from dure "}) {
    refuses(command + step("a", 4), kFailed, "model.safetensors is damaged");
  }
}

TEST_F(BadCheckpoint, ResumingPassesOverWhatIsDamagedAndSaysSo) {
  train("b");
  const std::string trainer = read(step("b", 4) + "trainer.json");
  write(step("b", 4) + "trainer.json",
        trainer.substr(0, trainer.find("adamw")) + "7" +
            trainer.substr(trainer.find("adamw") + 1));
  const Outcome outcome = dure(of("b") + " --resume");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.errors,
              AllOf(HasSubstr("a damaged checkpoint is passed over"),
                    HasSubstr("trainer.json is damaged"),
                    HasSubstr("going on from b/checkpoints/step_00000002")));
  EXPECT_EQ(read(step("b", 4) + "trainer.json"), trainer);
  EXPECT_EQ(dure("checkpoint verify b").exit_code, 0);
}

TEST_F(BadCheckpoint, WhereAllAreDamagedNothingIsLost) {
  const char* const ways[] = {
      "truncate -s -1 \"$1\"/optimizer.safetensors",
      "sed -i 's/\"version\": 1/\"version\": 2/' \"$1\"/manifest.json",
      "rm \"$1\"/manifest.json",
      "rm \"$1\"/*",
  };
  train("c");
  const std::string metrics = read("c/metrics.jsonl");
  for (const char* const way : ways) {
    SCOPED_TRACE(way);
    ASSERT_EQ(shell("rm -rf d && cp -r c d && for f in d/checkpoints/*; do set "
                    "-- \"$f\"; " +
                    std::string(way) + "; done")
                  .exit_code,
              0);
    refuses(of("d") + " --resume", kFailed, "d/checkpoints/step_0000000");
    refuses(of("d"), kUsage, "--restart");
    EXPECT_EQ(read("d/metrics.jsonl"), metrics);
  }
  EXPECT_EQ(dure(of("d") + " --restart").exit_code, 0);
  EXPECT_EQ(dure("checkpoint verify d").exit_code, 0);
  EXPECT_EQ(read("d/checkpoints/before_restart_1/metrics.jsonl"), metrics);
  EXPECT_EQ(dure(of("d") + " --restart --resume").exit_code, kUsage);
}

TEST_F(BadCheckpoint, AManifestOfANewerVersionIsNotReplaced) {
  train("e");
  // The manifest becomes one without the sum, which only this version has.
  ASSERT_EQ(shell("sed -i -e 's/\"version\": 1,/\"version\": 2/' -e '/^  "
                  "\"xxh64\"/d' " +
                  step("e", 4) + "manifest.json")
                .exit_code,
            0);
  const Outcome outcome = dure(of("e") + " --resume --set train.steps=6");
  EXPECT_EQ(outcome.exit_code, kFailed);
  EXPECT_THAT(outcome.errors,
              AllOf(HasSubstr("step_00000004"), HasSubstr("has version 2")));
}

TEST_F(BadCheckpoint, WhatTheEndNeedsIsTriedAtTheBeginning) {
  write("file", "");
  const std::string train = "train config.toml --set log.directory=f --set ";
  for (const auto& [setting, said] :
       {std::pair{"data.tokenizer=missing.json", "missing.json"},
        std::pair{"data.tokenizer=nan", "nan"},
        std::pair{"checkpoint.directory=file", "file"},
        std::pair{"checkpoint.directory=file/below", "file/below"},
        std::pair{"log.directory=file", "file"}}) {
    const Outcome outcome = dure(train + setting);
    EXPECT_NE(outcome.exit_code, 0) << setting;
    EXPECT_THAT(outcome.errors, HasSubstr(said));
    EXPECT_FALSE(std::filesystem::exists(folder() / "f" / "metrics.jsonl"));
  }
  const Outcome full = dure("train config.toml --set log.directory=g",
                            "trap '' XFSZ && ulimit -f 20");
  EXPECT_EQ(full.exit_code, kFailed);
  EXPECT_THAT(full.errors, HasSubstr("raise ulimit -f"));
  EXPECT_FALSE(std::filesystem::exists(folder() / "g" / "metrics.jsonl"));
}

TEST_F(BadCheckpoint, ARunThatDivergesKeepsItsLastWholeStep) {
  const Outcome outcome = dure(
      "train config.toml --set log.directory=h --set train.steps=9 --set "
      "optimizer.learning_rate=1e30");
  EXPECT_EQ(outcome.exit_code, kFailed);
  EXPECT_THAT(outcome.errors,
              AllOf(HasSubstr("is not finite"), HasSubstr("is saved")));
  EXPECT_EQ(dure("checkpoint verify h").exit_code, 0);
}

// Only one rank meets the error, the one that writes the metrics to a full
// device. The others are told, and all save together.
TEST_F(BadCheckpoint, ARankThatFailsKeepsTheLastWholeStepOfAll) {
  for (const char* const ranks : {"", " --ranks 4 --set parallel.zero=2"}) {
    ASSERT_EQ(shell("rm -rf o && mkdir o && ln -s /dev/full o/metrics.jsonl")
                  .exit_code,
              0);
    const Outcome outcome = dure(
        "train config.toml --set log.directory=o --set train.steps=9 --set "
        "train.global_batch=4 --set train.micro_batch=1" +
        std::string(ranks));
    EXPECT_EQ(outcome.exit_code, kFailed);
    EXPECT_THAT(outcome.errors,
                AllOf(HasSubstr("metrics.jsonl"),
                      HasSubstr("step 1, the last one, is saved")));
    EXPECT_EQ(dure("checkpoint verify o").exit_code, 0);
  }
}

TEST_F(BadCheckpoint, OfTwoRunsInOneDirectoryTheSecondIsRefusedByName) {
  const Outcome outcome = shell(
      "$DURE train config.toml --set log.directory=i --set train.steps=100000 "
      "--set checkpoint.every=0 2>/dev/null & first=$!\n"
      "until [ -s i/metrics.jsonl ]; do sleep 0.05; done\n"
      "$DURE train config.toml --set log.directory=i; second=$?\n"
      "$DURE train config.toml --set log.directory=j --set "
      "checkpoint.directory=i/checkpoints; third=$?\n"
      "echo \"process $first, \" >&2\n"
      "kill -KILL $first; wait $first 2>/dev/null\n"
      "$DURE train config.toml --set log.directory=i; echo $second $third $?");
  EXPECT_EQ(outcome.output, "1 1 0\n");
  EXPECT_THAT(outcome.errors,
              AllOf(HasSubstr("error: i is in use by process"),
                    HasSubstr("error: i/checkpoints is in use by process")));
}

// A damaged later checkpoint of an earlier run does not count.
TEST_F(BadCheckpoint, WhatIsKeptIsWhatThisRunSaved) {
  train("p");
  flip(step("p", 4) + "model.safetensors", 300);
  EXPECT_EQ(dure("train config.toml --resume --set log.directory=p --set "
                 "train.steps=3 --set checkpoint.keep=1")
                .exit_code,
            0);
  EXPECT_THAT(dure("generate --checkpoint p --prompt x --tokens 1").errors,
              HasSubstr("step_00000003 is taken"));
}

TEST_F(BadCheckpoint, ARestartThatIsRefusedMovesNothing) {
  train("q");
  for (const char* const setting :
       {"data.train=absent", "data.tokenizer=absent.json"}) {
    EXPECT_NE(dure(of("q") + " --restart --set " + setting).exit_code, 0);
    EXPECT_EQ(dure("checkpoint verify q").exit_code, 0) << setting;
  }
}

TEST_F(BadCheckpoint, AFileThatIsNamedAsACheckpointIsSaidBeforeTheFirstStep) {
  train("r");
  write("r/checkpoints/step_00000006", "");
  const std::string metrics = read("r/metrics.jsonl");
  refuses(of("r") + " --resume --set train.steps=6",
          kFailed,
          "step_00000006 is no folder");
  EXPECT_EQ(read("r/metrics.jsonl"), metrics);
}

// The evaluation is also made if all steps had been made before.
TEST_F(BadCheckpoint, TestDataIsEvaluatedAtTheEndOrSaidNotToBe) {
  train("s");
  EXPECT_THAT(read("s/metrics.jsonl"), Not(HasSubstr("test_loss")));
  const std::string again = of("s") + " --resume --set data.test=text";
  EXPECT_THAT(dure(again).errors, HasSubstr("test loss"));
  EXPECT_THAT(read("s/metrics.jsonl"), HasSubstr("\"test_loss\":"));
  EXPECT_THAT(dure(again).errors, Not(HasSubstr("test loss")));
  EXPECT_THAT(dure(of("t") + " --set data.split=98,1,1").errors,
              HasSubstr("the test data is never evaluated"));
}

TEST_F(BadCheckpoint, PruningNamesAFolderThatHoldsNone) {
  refuses("checkpoint prune nowhere --keep 1", kFailed, "holds no checkpoints");
  ASSERT_EQ(shell("mkdir -p empty").exit_code, 0);
  refuses("checkpoint prune empty --keep 1", kFailed, "holds no checkpoints");
  train("thinned");
  const Outcome outcome = dure("checkpoint prune thinned --keep 1");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_FALSE(std::filesystem::exists(folder() / step("thinned", 2)));
  EXPECT_TRUE(std::filesystem::exists(folder() / step("thinned", 4)));
}

TEST_F(BadCheckpoint, ConvertedWeightsStartARun) {
  ASSERT_EQ(dure("convert --from dure run --to hf hf").exit_code, 0);
  ASSERT_EQ(dure("convert --from hf hf --to dure k/checkpoints/step_00000000")
                .exit_code,
            0);
  refuses(of("k"), kUsage, "--resume");
  const Outcome outcome = dure(of("k") + " --resume --set checkpoint.keep=1");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_THAT(outcome.errors, HasSubstr("starting from the weights of"));
  EXPECT_EQ(dure("checkpoint verify k").exit_code, 0);
  // A checkpoint that no run saved is neither pruned nor resumed.
  EXPECT_TRUE(std::filesystem::exists(folder() / step("k", 0)));
  EXPECT_THAT(dure(of("k") + " --resume --set train.steps=5").errors,
              HasSubstr("going on from k/checkpoints/step_00000004"));
}

TEST_F(BadCheckpoint, ALearningRateThatFollowsTheStepsIsSaid) {
  train("l");
  const std::string more =
      "train config.toml --set checkpoint.every=2 --set "
      "log.directory=l --resume --set train.steps=";
  EXPECT_THAT(dure(more + "4 --set optimizer.decay_steps=4").errors,
              Not(HasSubstr("learning rate changes")));
  ASSERT_EQ(dure(of("m") + " --set optimizer.decay_steps=auto").exit_code, 0);
  const Outcome outcome = dure(
      "train config.toml --set log.directory=m --resume --set train.steps=8");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.errors,
              AllOf(HasSubstr("train.steps, which was 4 and is 8"),
                    HasSubstr("set optimizer.decay_steps = 4 to keep it")));
}

}  // namespace
}  // namespace dure
