// `dure train` on threads and on MPI's processes gives the same numbers.
#include <filesystem>
#include <gmock/gmock.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/layout_run.h"

namespace dure {
namespace {

using testing::HasSubstr;

struct Layouts : LayoutRun {};

TEST_F(Layouts, ThreadsTrainWhatOneRankTrains) {
  EXPECT_EQ(train("", "one", "").exit_code, 0);
  const Outcome four =
      train("",
            "four",
            "--ranks 4 --set parallel.zero=3 --log-all-ranks " +
                (folder / "logs").string());
  EXPECT_EQ(four.exit_code, 0) << four.text;
  EXPECT_EQ(weights("one"), weights("four"));
  EXPECT_TRUE(std::filesystem::exists(folder / "logs" / "rank_3.log"));
}

TEST_F(Layouts, RanksEvaluateToTheSameLoss) {
  EXPECT_EQ(train("", "one", "").exit_code, 0);
  const std::string eval = "eval --checkpoint " + (folder / "one").string() +
                           " --data " + (folder / "text").string() +
                           " --batch 3 --json";
  const std::string alone = json_of(run("", eval).text);
  EXPECT_THAT(alone, HasSubstr("\"loss\""));
  EXPECT_EQ(json_of(run("", eval + " --ranks 3").text), alone);
  EXPECT_EQ(json_of(run("", eval + " --ranks 2 --zero 3").text), alone);
}

TEST_F(Layouts, SaysWhichGlobalBatchesTheRanksCanShare) {
  const Outcome three = train("", "three", "--ranks 3");
  EXPECT_EQ(three.exit_code, 2);
  EXPECT_THAT(three.text, HasSubstr("the nearest are 6 and 9"));
  const Outcome groups = train("",
                               "groups",
                               "--ranks 4 --set parallel.zero=2 "
                               "--set parallel.zero_group=3");
  EXPECT_EQ(groups.exit_code, 2);
  EXPECT_THAT(groups.text, HasSubstr("wanted a divisor of the 4 ranks"));
  const Outcome nothing = train("", "nothing", "--set parallel.bucket_mb=0");
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_THAT(nothing.text, HasSubstr("parallel.bucket_mb"));
}

constexpr const char* kShared =
    "--set parallel.tensor=2 --set parallel.sequence=true "
    "--set parallel.zero=1 ";

// The loss in the output of `dure eval --json`.
double loss_in(const std::string& json) {
  return std::stod(json.substr(json.find("\"loss\":") + 7));
}

TEST_F(Layouts, MatricesAreSharedAndTheCheckpointIsWhole) {
  const Outcome four = train("", "four", std::string("--ranks 4 ") + kShared);
  EXPECT_EQ(four.exit_code, 0) << four.text;
  const std::string eval = "eval --checkpoint " + (folder / "four").string() +
                           " --data " + (folder / "text").string() + " --json";
  const double alone = loss_in(json_of(run("", eval).text));
  const double shared =
      loss_in(json_of(run("", eval + " --ranks 4 --tensor 2").text));
  EXPECT_NEAR(shared, alone, 1e-5 * alone);
  // One rank resumes from it.
  const Outcome resumed =
      train("",
            "four",
            "--resume --set train.steps=9 --set optimizer.decay=constant");
  EXPECT_EQ(resumed.exit_code, 0) << resumed.text;
}

TEST_F(Layouts, SaysHowManyRanksCanShareMatrices) {
  const auto refused = [&](const std::string& sets) {
    const Outcome outcome = train("", "none", "--ranks 4 " + sets);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.text;
    return outcome.text;
  };
  EXPECT_THAT(refused("--set parallel.tensor=3"),
              HasSubstr("can't share model.heads, 4, evenly; for this model "
                        "these would do: 1, 2, 4"));
  EXPECT_THAT(refused("--set parallel.tensor=4 --set model.ffn_hidden=130"),
              HasSubstr("model.ffn_hidden, 130, evenly; for this model these "
                        "would do: 1, 2"));
  EXPECT_THAT(refused("--set parallel.tensor=4 --set model.heads=12 "
                      "--set model.hidden=48 --set model.kv_heads=3"),
              HasSubstr("model.kv_heads, 3"));
  EXPECT_THAT(refused("--set parallel.tensor=4 --set data.sequence=15 "
                      "--set parallel.sequence=true"),
              HasSubstr("12 and 16 would do"));
}

// There are half a million parameters: a step takes 11.0, 8.6, 7.6 and 6.8 MB
// at stages 0 to 3, and 7.2 are allowed.
TEST_F(Layouts, StageThreeTrainsAModelThatOthersRefuse) {
  const std::string limited =
      "--ranks 4 --set model.layers=8 --set model.hidden=64 "
      "--set train.global_batch=32 --set train.micro_batch=8 "
      "--set train.threads=1 --set parallel.sums=fast "
      "--set parallel.bucket_mb=0.1 --set parallel.first_bucket_mb=0.1 "
      "--set memory.limit_gib=0.0067 --set parallel.zero=";
  for (const char* zero : {"0", "1", "2"}) {
    const Outcome refused =
        train("", "limited", limited + zero + " --set data.train=absent");
    EXPECT_EQ(refused.exit_code, 2) << refused.text;
    EXPECT_THAT(refused.text, HasSubstr("optimizer "));
    EXPECT_THAT(refused.text, HasSubstr("allowed                 7194070"));
    EXPECT_THAT(refused.text, HasSubstr("would fit: parallel.zero = 3"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "limited"));
  const Outcome trained = train("", "limited", limited + "3");
  EXPECT_EQ(trained.exit_code, 0) << trained.text;
}

// The losses of metrics.jsonl, by line.
std::vector<double> losses_in(const std::string& metrics) {
  std::vector<double> losses;
  const std::string key = "\"loss\":";
  for (std::size_t at = metrics.find(key); at != std::string::npos;
       at = metrics.find(key, at + 1)) {
    losses.push_back(std::stod(metrics.substr(at + key.size())));
  }
  return losses;
}

TEST_F(Layouts, PipelinesWithoutAFlushLearn) {
  const std::string sets =
      "--ranks 4 --set parallel.pipeline=2 --set model.tie_embeddings=false "
      "--set optimizer.clip_gradient=0 --set train.steps=60 "
      "--set optimizer.learning_rate=0.003 --set parallel.drain_every=16 "
      "--set train.check_replicas_every=25 --set checkpoint.every=20 "
      "--set parallel.schedule=";
  for (const std::string schedule :
       {"pipedream --set train.global_batch=2", "pipedream-2bw"}) {
    const Outcome trained = train("", "flowing", sets + schedule);
    ASSERT_EQ(trained.exit_code, 0) << trained.text;
    const std::vector<double> losses =
        losses_in(read_file(folder / "flowing" / "metrics.jsonl"));
    ASSERT_EQ(losses.size(), 60U);
    EXPECT_LT(losses.back(), 0.8 * losses.front()) << schedule;
    // It resumes from step 20 bit for bit, because its segments are the same.
    const Path checkpoints = folder / "flowing" / "checkpoints";
    const auto last = [&] {
      return read_file(checkpoints / "step_00000060" / "model.safetensors");
    };
    const std::string weights = last();
    std::filesystem::remove_all(checkpoints / "step_00000060");
    std::filesystem::remove_all(checkpoints / "step_00000040");
    EXPECT_EQ(train("", "flowing", "--resume " + sets + schedule).exit_code, 0);
    EXPECT_EQ(last(), weights);
    std::filesystem::remove_all(folder / "flowing");
  }
}

TEST_F(Layouts, SaysWhatAScheduleWithoutAFlushTakes) {
  const auto refused = [&](const std::string& sets) {
    const Outcome outcome =
        train("",
              "none",
              "--ranks 4 --set parallel.pipeline=4 "
              "--set model.tie_embeddings=false --set model.layers=4 "
              "--set optimizer.clip_gradient=0 --set parallel.schedule=" +
                  sets);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.text;
    return outcome.text;
  };
  EXPECT_THAT(refused("pipedream"),
              HasSubstr("wanted train.global_batch to be train.micro_batch "
                        "times the ranks that share it, 1 x 1 = 1, got 8; "
                        "parallel.schedule \"pipedream-2bw\" takes "
                        "parallel.pipeline = 4 micro-batches or more"));
  EXPECT_THAT(refused("pipedream-2bw --set train.global_batch=3"),
              HasSubstr("as many micro-batches as there are stages: wanted 4 "
                        "or more, got 3"));
}

#ifdef DURE_MPIRUN
TEST_F(Layouts, ProcessesTrainWhatOneRankTrains) {
  EXPECT_EQ(train("", "one", "").exit_code, 0);
  for (const char* zero : {"0", "1", "2", "3"}) {
    SCOPED_TRACE(zero);
    const std::string name = std::string("mpi") + zero;
    const Outcome outcome = train(
        DURE_MPIRUN " -n 4", name, std::string("--set parallel.zero=") + zero);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
    EXPECT_EQ(weights("one"), weights(name));
  }
}

// Sums are ranked here, those of tensor ranks too.
TEST_F(Layouts, ProcessesShareMatricesAsThreadsDo) {
  const Outcome threads =
      train("", "threads", std::string("--ranks 4 ") + kShared);
  EXPECT_EQ(threads.exit_code, 0) << threads.text;
  const Outcome processes = train(DURE_MPIRUN " -n 4", "processes", kShared);
  EXPECT_EQ(processes.exit_code, 0) << processes.text;
  EXPECT_EQ(weights("threads"), weights("processes"));
}

TEST_F(Layouts, ProcessesSayOnceWhatAllOfThemFind) {
  const Outcome outcome = train(DURE_MPIRUN " -n 3", "three", "");
  EXPECT_EQ(outcome.exit_code, 2);
  const std::string said = "the nearest are 6 and 9";
  EXPECT_THAT(outcome.text, HasSubstr(said));
  EXPECT_EQ(outcome.text.find(said), outcome.text.rfind(said));
}

// The rank that fails says why, once; the others end with it.
TEST_F(Layouts, AProcessThatFailsEndsTheRun) {
  const Outcome outcome =
      train(DURE_MPIRUN " -n 2", "absent", "--set data.train=[absent]");
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.text, HasSubstr("absent"));
}
#endif

}  // namespace
}  // namespace dure
