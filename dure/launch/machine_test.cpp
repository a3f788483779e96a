#include "dure/launch/machine.h"

#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>

#include <gtest/gtest.h>

namespace dure::launch {
namespace {

using testing::ElementsAre;

TEST(Machine, HasThreads) {
  EXPECT_GE(this_machine().threads, 1);
}

TEST(ValueIn, IsThatOfTheFirstLineOfTheKey) {
  const std::string path = testing::TempDir() + "cpuinfo";
  std::ofstream(path) << "vendor_id\t: A\nmodel name\t: Fast: 9\n"
                         "model name\t: Slow\nflags\t:\n";
  EXPECT_EQ(value_in(path, "model name"), "Fast: 9");
  EXPECT_EQ(value_in(path, "flags"), "");
  EXPECT_EQ(value_in(path, "bogomips"), "");
  EXPECT_EQ(value_in(path + ".absent", "flags"), "");
}

#ifdef DURE_WITH_HWLOC
// hwloc makes up the machine that this variable describes.
class SyntheticMachine : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ::setenv("HWLOC_SYNTHETIC",
             "package:2 numa:2(memory=8GB) l3:1(size=32MB) core:2 "
             "l2:1(size=1MB) l1d:1(size=32kB) pu:2",
             1);
  }
  static void TearDownTestSuite() { ::unsetenv("HWLOC_SYNTHETIC"); }
};

TEST_F(SyntheticMachine, IsCounted) {
  const Machine machine = this_machine();
  EXPECT_EQ(machine.packages, 2);
  EXPECT_EQ(machine.cores, 8);
  EXPECT_EQ(machine.threads, 16);
  EXPECT_THAT(machine.caches,
              ElementsAre(Cache{"L1d", 32'000, 8},
                          Cache{"L2", 1'000'000, 8},
                          Cache{"L3", 32'000'000, 4}));
}

TEST_F(SyntheticMachine, NamesTheThreadsOfEachNode) {
  EXPECT_THAT(this_machine().numa_nodes,
              ElementsAre(NumaNode{0, 8'000'000'000U, {0, 1, 2, 3}},
                          NumaNode{1, 8'000'000'000U, {4, 5, 6, 7}},
                          NumaNode{2, 8'000'000'000U, {8, 9, 10, 11}},
                          NumaNode{3, 8'000'000'000U, {12, 13, 14, 15}}));
}
#endif

}  // namespace
}  // namespace dure::launch
