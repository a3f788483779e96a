// The real program on its ranks: threads, mpirun's processes, and launchers
// that do not fit.
#include <algorithm>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <string>

#include <gtest/gtest.h>

#include "tests/program.h"

namespace dure {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kBench =
    "bench comm --collective all_reduce,barrier --to 4KiB --seconds 0.01";

TEST(Launch, RunsOnThreads) {
  const Outcome outcome = run("", std::string(kBench) + " --ranks 3");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_THAT(outcome.text,
              HasSubstr("| threads | all_reduce | automatic | 3 | 4 KiB |"));
}

TEST(Launch, RunsAlone) {
  const Outcome outcome = run("", kBench);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_THAT(outcome.text, HasSubstr("| self | all_reduce | automatic | 1 |"));
}

TEST(Launch, CountsWhatTheRanksCommunicate) {
  const std::string barriers =
      "bench comm --collective barrier --seconds 0.001 --ranks 2";
  const Outcome table = run("", barriers + " --traffic");
  EXPECT_THAT(table.text,
              HasSubstr("\n\n| axis | collective | calls | bytes |"));
  EXPECT_THAT(table.text, HasSubstr("\n| world | barrier | "));
  const auto results =
      nlohmann::json::parse(run("", barriers + " --json").text);
  EXPECT_EQ(results.at("hosts").size(), 2U);
  EXPECT_EQ(results.at("rows").at(0).at("collective"), "barrier");
  const auto& traffic = results.at("traffic");
  const auto barrier =
      std::find_if(traffic.begin(), traffic.end(), [](const auto& row) {
        return row.at("collective") == "barrier";
      });
  ASSERT_NE(barrier, traffic.end());
  EXPECT_GE(barrier->at("calls").get<int>(), 5);  // a round each
  EXPECT_EQ(barrier->at("bytes"), 0);
}

#ifdef DURE_MPIRUN
TEST(Launch, RunsOnTheProcessesOfMpirunAndOnlyRankZeroPrints) {
  const Outcome outcome = run(DURE_MPIRUN " -n 4", kBench);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  const std::string row = "| mpi | all_reduce | automatic | 4 | 4 KiB |";
  EXPECT_THAT(outcome.text, HasSubstr(row));
  EXPECT_EQ(outcome.text.find(row), outcome.text.rfind(row));
}

TEST(Launch, RefusesThreadsUnderMpirun) {
  const Outcome outcome =
      run(DURE_MPIRUN " -n 2", std::string(kBench) + " --ranks 2");
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.text, HasSubstr("leave out one of the two"));
}

// One process reports an error that all find, none is ended by MPI_Abort, and
// the exit code is that of wrong usage.
TEST(Launch, SaysOnceWhatIsWrongWithTheCommandOfAllProcesses) {
  for (const std::string command :
       {"train nowhere.toml",
        "train",
        "trian",
        "bench comm --to nothing",
        "train " DURE_SOURCE "/examples/first_run.toml --set parallel.tensor=5",
        "train " DURE_SOURCE "/examples/first_run.toml --ranks 2"}) {
    const Outcome outcome = run(DURE_MPIRUN " -n 4", command);
    EXPECT_EQ(outcome.exit_code, 2) << command << outcome.text;
    const std::size_t first = outcome.text.find("error: ");
    EXPECT_NE(first, std::string::npos) << command << outcome.text;
    EXPECT_EQ(first, outcome.text.rfind("error: ")) << outcome.text;
    for (const char* noise : {"MPI_ABORT", "SIGTERM"}) {
      EXPECT_THAT(outcome.text, Not(HasSubstr(noise))) << command;
    }
  }
}

TEST(Launch, SaysWhichProcessHasAnotherConfigurationWrong) {
  const std::string one =
      DURE_BINARY " train " DURE_SOURCE "/examples/first_run.toml";
  const Outcome outcome =
      run(DURE_MPIRUN " -n 2 " + one + " : -n 1", "train nowhere.toml");
  EXPECT_EQ(outcome.exit_code, 2) << outcome.text;
  EXPECT_THAT(outcome.text,
              testing::AllOf(HasSubstr("ranks 0-1 have nothing"),
                             HasSubstr("rank 2 has there is no configuration "
                                       "nowhere.toml")));
}

// N processes do not know of one another, because srun has the wrong PMI.
TEST(Launch, RefusesAWorldThatIsNotTheLaunchers) {
  const Outcome outcome = run("SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=4", kBench);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.text,
              testing::AllOf(HasSubstr("started 4 processes"),
                             HasSubstr("a world of 1"),
                             HasSubstr("--mpi=pmix")));
}
#endif

TEST(Launch, RefusesTorchrun) {
  const Outcome outcome = run("RANK=0 WORLD_SIZE=2 LOCAL_RANK=0", kBench);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.text, HasSubstr("mpirun -n 2"));
}

TEST(Launch, RunsAloneWhereAClustersContainersAreNumbered) {
  const Outcome outcome =
      run("RANK=1 WORLD_SIZE=2 MASTER_ADDR=worker-0 MASTER_PORT=1", kBench);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_THAT(outcome.text, HasSubstr("| self | all_reduce | automatic | 1 |"));
}

TEST(Launch, NamesTheNearestCollective) {
  const Outcome outcome = run("", "bench comm --collective all_redoce");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.text, HasSubstr("did you mean all_reduce?"));
}

}  // namespace
}  // namespace dure
