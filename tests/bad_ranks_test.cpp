// Ranks that are started differently, slow, too many, or on a machine with
// limits, all with the real program.
#include <chrono>
#include <gmock/gmock.h>
#include <string>

#include <gtest/gtest.h>

#include "trained_folder.h"

namespace dure {
namespace {

using testing::HasSubstr;
using testing::Not;

class BadRanks : public TrainedFolder {};

#ifdef DURE_MPIRUN

class BadProcesses : public TrainedFolder {
 protected:
  // Expects exit code 2 and a message.
  static void disagree(const std::string& first,
                       const std::string& second,
                       const std::string& said) {
    SCOPED_TRACE(second);
    const Outcome outcome = shell("timeout 60 " DURE_MPIRUN " -n 1 \"$DURE\" " +
                                  first + " : -n 1 \"$DURE\" " + second);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.errors;
    EXPECT_THAT(outcome.errors, HasSubstr(said));
    EXPECT_THAT(outcome.errors, Not(HasSubstr("Signal")));
  }
};

TEST_F(BadProcesses, OfDifferentConfigurationsAreToldApart) {
  const std::string train = "train config.toml --set log.directory=apart";
  const std::pair<const char*, const char*> differences[] = {
      {"model.layers=3",
       "do not agree on model.layers: rank 0 has 1, rank 1 has 3;"},
      {"model.hidden=64", "model.hidden: rank 0 has 16, rank 1 has 64;"},
      {"optimizer.learning_rate=0.5",
       "optimizer.learning_rate: rank 0 has 3e-04, rank 1 has 0.5;"},
      {"checkpoint.directory=elsewhere",
       "checkpoint.directory: rank 0 has \"apart/checkpoints\", rank 1 has "
       "\"elsewhere\";"},
  };
  for (const auto& [key, said] : differences) {
    disagree(train, train + " --set " + key, said);
  }
  EXPECT_FALSE(std::filesystem::exists(folder() / "apart"));
}

TEST_F(BadProcesses, OfDifferentOptionsOrCommandsAreToldApart) {
  disagree("train config.toml",
           "train config.toml --resume",
           "--resume: rank 0 has none, rank 1 has true;");
  const std::string eval = "eval --checkpoint run/checkpoints --data text";
  disagree(
      eval, eval + " --batch 3", "--batch: rank 0 has none, rank 1 has 3;");
  disagree(eval,
           "train config.toml",
           "the command: rank 0 has eval, rank 1 has train;");
  const std::string generate =
      "generate --checkpoint run/checkpoints --prompt ";
  disagree(generate + "a", generate + "b", "rank 0 has a, rank 1 has b;");
  disagree("bench comm --to 64",
           "bench comm --to 128",
           "--to: rank 0 has 64, rank 1 has 128;");
}

// A process that does not start MPI, because it runs something else, does not
// keep the others waiting for ever. (If it has ended, mpirun may notice first.)
TEST_F(BadProcesses, ThatNeverStartMpiAreNotWaitedForForEver) {
  const Outcome outcome =
      shell("timeout 60 " DURE_MPIRUN
            " -n 1 \"$DURE\" train config.toml --set log.directory=apart "
            "--comm-timeout 2 : -n 1 sleep 30");
  EXPECT_EQ(outcome.exit_code, 1) << outcome.errors;
  EXPECT_THAT(outcome.errors,
              HasSubstr("error: rank 0: not all 2 processes of Open MPI's "
                        "mpirun have started MPI within 2 s (comm.timeout)"));
}

// The processes see the same names, but not the same files, as on separate
// disks.
TEST_F(BadProcesses, ThatSeeOtherFilesAreToldApart) {
  const Outcome outcome = shell(
      "mkdir -p node && cp -r text.* config.toml run node && "
      "printf x | dd of=node/text.bin conv=notrunc bs=1 seek=5 2>/dev/null && "
      "timeout 60 " DURE_MPIRUN
      " -n 1 \"$DURE\" train config.toml --set log.directory=apart"
      " : -n 1 bash -c 'cd node && exec \"$0\" \"$@\"' \"$DURE\" train "
      "config.toml --set log.directory=apart");
  EXPECT_EQ(outcome.exit_code, 2) << outcome.errors;
  EXPECT_THAT(outcome.errors,
              HasSubstr("do not agree on the contents of text.bin: rank 0"));
}

#endif

TEST_F(BadRanks, WithVariablesOfOtherKindsAreOneRank) {
  for (const char* variables : {"RANK=senior",
                                "RANK=",
                                "LOCAL_RANK=abc",
                                "RANK=7 WORLD_SIZE=2",
                                "SLURM_PROCID= SLURM_STEP_NUM_TASKS=",
                                "PMI_RANK=x"}) {
    const Outcome outcome =
        dure("train config.toml --set log.directory=other_kind --restart",
             std::string("export ") + variables);
    EXPECT_EQ(outcome.exit_code, 0) << variables << outcome.errors;
  }
}

TEST_F(BadRanks, TakeTheTimeoutThatIsGivenByHand) {
  // 600 is also the option's default.
  const Outcome outcome = dure(
      "train config.toml --ranks 2 --comm-timeout 600 --set "
      "comm.timeout=0.001 --set log.directory=by_hand");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
}

// Limits, preloading and timing do not work with the sanitizers.
#ifndef DURE_SANITIZED

// fsync takes half a second, and a save has many.
TEST_F(BadRanks, ThatSaveOnASlowDiskAreWaitedFor) {
  const Outcome outcome = dure(
      "train config.toml --ranks 2 --set comm.timeout=1.5 --set "
      "log.directory=slow",
      "export LD_PRELOAD=" DURE_SLOW_FSYNC);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_THAT(outcome.errors, HasSubstr("waiting for rank 0: saving step_"));
}

TEST_F(BadRanks, TakeAddressesByNeed) {
  constexpr const char* kLimit = "ulimit -v 3000000";  // KiB
  for (const char* command :
       {"train config.toml --restart --set memory.limit_gib=0.1",
        "train config.toml --restart",
        "train config.toml --restart --ranks 2",
        "train config.toml --restart --ranks 2 --set memory.limit_gib=100",
        "train config.toml --restart --ranks 8 --set train.global_batch=8 "
        "--set memory.limit_gib=1",
        "plan model config.toml",
        "plan model --preset gpt2-1558m",
        "eval --checkpoint run/checkpoints --data text",
        "generate --checkpoint run/checkpoints --prompt one --tokens 3"}) {
    const Outcome outcome = dure(command, kLimit);
    EXPECT_EQ(outcome.exit_code, 0) << command << outcome.errors;
  }
}

TEST_F(BadRanks, SayWhatLimitsTheirAddressesOrThreads) {
  const std::pair<const char*, const char*> limited[] = {
      {"--set model.hidden=8192", "ulimit -v leaves "},
      {"--set train.threads=4000",
       "the system does not grant this process 4000 threads ("},
      {"--ranks 700 --set train.global_batch=700",
       "does not grant 700 ranks 1 thread each ("},
  };
  for (const auto& [options, said] : limited) {
    const Outcome outcome = dure(
        std::string("train config.toml --set log.directory=limited ") + options,
        "ulimit -v 1500000");
    EXPECT_EQ(outcome.exit_code, kFailed) << outcome.errors;
    EXPECT_THAT(outcome.errors, HasSubstr(said));
  }
}

// In one process everything is done as soon as it can be.
TEST_F(BadRanks, InGreatNumbersStartInTime) {
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = dure(
      "train config.toml --ranks 200 --set train.global_batch=200 --set "
      "train.steps=1 --set log.directory=many");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(50));
}

TEST_F(BadRanks, PlanManyLayersInTime) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(dure("plan model config.toml --set model.layers=3000").exit_code,
            0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

#endif

}  // namespace
}  // namespace dure
