#include "dure/launch/environment.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::launch {
namespace {

using testing::HasSubstr;

TEST(Launcher, IsNobodyWhereAProcessIsStartedByHand) {
  EXPECT_EQ(launcher_of({}), std::nullopt);
  EXPECT_EQ(launcher_of({{"PATH", "/bin"}, {"RANK", "1"}}), std::nullopt);
}

TEST(Launcher, IsKnownByItsVariables) {
  const Environment open_mpi = {{"OMPI_COMM_WORLD_RANK", "5"},
                                {"OMPI_COMM_WORLD_SIZE", "8"},
                                {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}};
  EXPECT_EQ(launcher_of(open_mpi),
            (Launcher{"Open MPI's mpirun", 5, 8, 1, true}));
  const Environment mpich = {
      {"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}};
  EXPECT_EQ(launcher_of(mpich), (Launcher{"MPICH's mpiexec", 1, 2, 1, true}));
  const Environment pmi = {{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}};
  EXPECT_EQ(launcher_of(pmi),
            (Launcher{"a launcher that speaks PMI", 0, 2, 0, true}));
  const Environment pmix = {{"PMIX_RANK", "3"}};
  EXPECT_EQ(launcher_of(pmix),
            (Launcher{"a launcher that speaks PMIx", 3, kNotTold, 0, true}));
  const Environment slurm = {{"SLURM_PROCID", "3"},
                             {"SLURM_STEP_NUM_TASKS", "4"},
                             {"SLURM_LOCALID", "1"}};
  EXPECT_EQ(launcher_of(slurm), (Launcher{"Slurm's srun", 3, 4, 1, true}));
  const Environment torch = {
      {"RANK", "1"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "1"}};
  EXPECT_EQ(launcher_of(torch), (Launcher{"torchrun", 1, 2, 1, false}));
}

// People use variables of these names for other things.
TEST(Launcher, IsNobodyWhereCommonNamesAreOfSomethingElse) {
  const Environment others[] = {
      {{"RANK", "senior"}},
      {{"RANK", ""}},
      {{"LOCAL_RANK", "abc"}},
      {{"RANK", "senior"}, {"WORLD_SIZE", "2"}},
      {{"RANK", "1"}, {"WORLD_SIZE", "large"}},
      {{"RANK", "1"}, {"WORLD_SIZE", ""}},
      {{"RANK", "5"}, {"WORLD_SIZE", "2"}},
      {{"RANK", "-1"}, {"WORLD_SIZE", "2"}},
      {{"RANK", "1"}, {"WORLD_SIZE", "99999999999999999999"}},
      {{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "abc"}},
  };
  for (const Environment& other : others) {
    EXPECT_EQ(launcher_of(other), std::nullopt) << other.begin()->second;
  }
}

// Some clusters tell containers their number so, although each runs alone.
TEST(Launcher, IsNobodyWhereRanksHaveNoLocalRankAndThatIsSaid) {
  const Environment cluster = {{"RANK", "1"},
                               {"WORLD_SIZE", "2"},
                               {"MASTER_ADDR", "worker-0"},
                               {"MASTER_PORT", "29500"}};
  EXPECT_EQ(launcher_of(cluster), std::nullopt);
  EXPECT_THAT(foreign_ranks(cluster), HasSubstr("RANK=1 and WORLD_SIZE=2"));
  EXPECT_EQ(foreign_ranks({{"RANK", "0"}, {"WORLD_SIZE", "1"}}), "");
  EXPECT_EQ(foreign_ranks({{"RANK", "1"}}), "");
  EXPECT_EQ(foreign_ranks({{"RANK", "senior"}, {"WORLD_SIZE", "2"}}), "");
  EXPECT_EQ(foreign_ranks({{"RANK", "1"},
                           {"WORLD_SIZE", "2"},
                           {"OMPI_COMM_WORLD_RANK", "0"},
                           {"OMPI_COMM_WORLD_SIZE", "4"}}),
            "");
}

// A shell of salloc, a script that clears known variables, an incomplete set.
TEST(Launcher, IsNobodyWhereItsVariablesAreNotAllThere) {
  const Environment leftovers[] = {
      {{"SLURM_PROCID", ""}, {"SLURM_STEP_NUM_TASKS", ""}},
      {{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "8"}, {"SLURM_LOCALID", "x"}},
      {{"SLURM_PROCID", "x"}},
      {{"PMI_RANK", "x"}},
      {{"PMI_SIZE", "2"}},
      {{"PMIX_RANK", ""}},
      {{"OMPI_COMM_WORLD_RANK", "x"}, {"OMPI_COMM_WORLD_SIZE", ""}},
      {{"OMPI_COMM_WORLD_SIZE", "2"}},
  };
  for (const Environment& leftover : leftovers) {
    EXPECT_EQ(launcher_of(leftover), std::nullopt) << leftover.begin()->first;
  }
}

// Inside a batch job mpirun's own variables are nearer. The batch script itself
// is one process, whatever the job's tasks.
TEST(Launcher, IsTheNearestOne) {
  EXPECT_EQ(launcher_of({{"SLURM_PROCID", "0"},
                         {"SLURM_STEP_NUM_TASKS", "1"},
                         {"OMPI_COMM_WORLD_RANK", "2"},
                         {"OMPI_COMM_WORLD_SIZE", "4"}})
                ->name,
            "Open MPI's mpirun");
  EXPECT_EQ(launcher_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "16"}}),
            std::nullopt);
}

// With mpiexec in a Slurm job, srun has started its proxies.
TEST(Launcher, IsMpichsInsideAStepOfItsProxies) {
  EXPECT_EQ(launcher_of({{"SLURM_PROCID", "1"},
                         {"SLURM_STEP_NUM_TASKS", "2"},
                         {"PMI_RANK", "5"},
                         {"PMI_SIZE", "8"},
                         {"MPI_LOCALRANKID", "1"}}),
            (Launcher{"MPICH's mpiexec", 5, 8, 1, true}));
}

TEST(Launcher, IsSlurmWhoeverOfMpiItTalksTo) {
  Environment slurm = {{"SLURM_PROCID", "3"},
                       {"SLURM_STEP_NUM_TASKS", "4"},
                       {"SLURM_LOCALID", "3"}};
  const Launcher wanted{kSlurm, 3, 4, 3, true};
  slurm.insert({{"PMI_RANK", "3"}, {"PMI_SIZE", "4"}});  // --mpi=pmi2
  EXPECT_EQ(launcher_of(slurm), wanted);
  slurm.insert({{"PMIX_RANK", "3"}, {"PMIX_NAMESPACE", "slurm.pmix.7.0"}});
  EXPECT_EQ(launcher_of(slurm), wanted);
  // The job was submitted from a shell under mpirun.
  slurm.insert({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}});
  EXPECT_EQ(launcher_of(slurm), wanted);
}

void expect_refusal(const Environment& environment,
                    const char* first,
                    const char* second) {
  try {
    launcher_of(environment);
    ADD_FAILURE() << "nothing thrown";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(HasSubstr(first), HasSubstr(second)));
  }
}

TEST(Launcher, NamesTheVariablesThatDisagree) {
  expect_refusal({{"OMPI_COMM_WORLD_RANK", "0"},
                  {"OMPI_COMM_WORLD_SIZE", "4"},
                  {"PMIX_RANK", "2"}},
                 "OMPI_COMM_WORLD_RANK=0",
                 "PMIX_RANK=2");
  expect_refusal({{"SLURM_PROCID", "3"},
                  {"SLURM_STEP_NUM_TASKS", "4"},
                  {"PMIX_RANK", "0"}},
                 "SLURM_PROCID=3",
                 "PMIX_RANK=0");
  expect_refusal({{"SLURM_PROCID", "0"},
                  {"SLURM_STEP_NUM_TASKS", "4"},
                  {"PMI_RANK", "0"},
                  {"PMI_SIZE", "1"}},
                 "SLURM_STEP_NUM_TASKS=4",
                 "PMI_SIZE=1");
}

TEST(Launcher, SaysWhichVariableIsWrong) {
  try {
    launcher_of({{"PMI_RANK", "zero"}, {"PMI_SIZE", "2"}});
    ADD_FAILURE() << "nothing thrown";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("PMI_RANK is \"zero\""));
  }
  expect_refusal(
      {{"PMI_RANK", "2"}, {"PMI_SIZE", "2"}}, "PMI_RANK=2", "PMI_SIZE=2");
}

TEST(Threads, AreThoseThatScriptsSetForOpenMp) {
  EXPECT_EQ(threads_wanted({{"OMP_NUM_THREADS", "6"}}), 6);
  EXPECT_EQ(threads_wanted({{"OMP_NUM_THREADS", "4,2"}}), 4);
  for (const char* none : {"", "0", "-2", "many", "99999999999", ","}) {
    EXPECT_EQ(threads_wanted({{"OMP_NUM_THREADS", none}}), std::nullopt)
        << none;
  }
  EXPECT_EQ(threads_wanted({}), std::nullopt);
}

TEST(Launcher, MustAgreeWithMpi) {
  const Launcher slurm{"Slurm's srun", 0, 4, 0, true};
  EXPECT_NO_THROW(check_world(slurm, 4));
  try {
    check_world(slurm, 1);
    ADD_FAILURE() << "nothing thrown";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(HasSubstr("started 4 processes"),
                               HasSubstr("a world of 1"),
                               HasSubstr("--mpi=pmix")));
  }
  const Launcher pmix{"a launcher that speaks PMIx", 2, kNotTold, 0, true};
  EXPECT_NO_THROW(check_world(pmix, 3));
  EXPECT_THROW(check_world(pmix, 1), UsageError);
}

}  // namespace
}  // namespace dure::launch
