#include "dure/launch/process_managers.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

namespace dure::launch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The description is Debian's.
TEST(ManagersOfMpi, AreTheComponentsOfOpenMpi4) {
  EXPECT_THAT(managers_of_mpi("Open MPI v4.1.4, package: Debian, MPI 3.1",
                              "mca:pmix:ext3x:version:\"component:4.1.4\"\n"
                              "mca:pmix:isolated:version:\"mca:2.1.0\"\n"
                              "mca:pmix:flux:version:\"mca:2.1.0\"\n"),
              ElementsAre("pmix"));
  EXPECT_THAT(managers_of_mpi("Open MPI v4.0.7",
                              "mca:pmix:s1:version:\"mca:2.1.0\"\n"
                              "mca:pmix:s2:version:\"mca:2.1.0\"\n"),
              ElementsAre("pmi2", "pmi"));
  EXPECT_THAT(managers_of_mpi("Open MPI v4.1.4", ""), IsEmpty());
}

// Open MPI 5 speaks PMIx alone.
TEST(ManagersOfMpi, IsPmixInOpenMpi5) {
  EXPECT_THAT(managers_of_mpi("Open MPI v5.0.3", ""), ElementsAre("pmix"));
}

TEST(ManagersOfMpi, AreInTheConfigurationOfMpich) {
  EXPECT_THAT(managers_of_mpi("MPICH Version: 4.0.2, MPI 4.0",
                              "MPICH configure: --with-slurm=/usr"),
              ElementsAre("pmi"));
  EXPECT_THAT(
      managers_of_mpi("MPICH Version: 4.2.0",
                      "MPICH configure: --with-pmix=/usr --with-pmi=pmi2"),
      ElementsAre("pmix", "pmi2"));
  EXPECT_THAT(managers_of_mpi("none", ""), IsEmpty());
}

TEST(PluginsOfSrun, AreReadInBothFormats) {
  EXPECT_THAT(
      plugins_of_srun("MPI plugin types are...\n\tpmix\n\tnone\n\tpmi2\n"
                      "specific pmix plugin versions available: pmix_v4\n"),
      ElementsAre("pmix", "none", "pmi2"));
  EXPECT_THAT(plugins_of_srun("srun: MPI types are...\nsrun: none\n"
                              "srun: pmi2\nsrun: pmix_v3\n"),
              ElementsAre("none", "pmi2", "pmix_v3"));
  EXPECT_THAT(plugins_of_srun("srun: fatal: Could not establish a "
                              "configuration source\n"),
              IsEmpty());
  EXPECT_THAT(plugins_of_srun(""), IsEmpty());
}

TEST(CommonSrun, TakesTheFirstThatBothSpeak) {
  EXPECT_EQ(common_srun({"pmix", "pmi2"}, {"none", "pmi2", "pmix"}),
            "srun --mpi=pmix");
  EXPECT_EQ(common_srun({"pmi"}, {"pmix", "pmi2"}), "srun --mpi=pmi2");
  EXPECT_EQ(common_srun({"pmix"}, {"none", "pmi2"}), "");
  EXPECT_EQ(common_srun({}, {"pmix"}), "");
}

}  // namespace
}  // namespace dure::launch
