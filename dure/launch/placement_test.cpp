#include "dure/launch/placement.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"

namespace dure::launch {
namespace {

using testing::ElementsAre;

TEST(Hosts, AreKnownToEveryRank) {
  run_ranks({.ranks = 3}, [](comm::Communicator& comm) {
    const std::string mine = comm.rank() == 1 ? "second" : "first";
    EXPECT_THAT(hosts_of(comm, mine), ElementsAre("first", "second", "first"));
    EXPECT_TRUE(is_one_host(hosts_of(comm)));
  });
}

TEST(Hosts, OfLongNamesAreCut) {
  run_ranks({.ranks = 2}, [](comm::Communicator& comm) {
    const std::string name(300, 'x');
    EXPECT_EQ(hosts_of(comm, name).back(), name.substr(0, 255));
  });
}

TEST(Hosts, AreDescribedByTheirRanks) {
  EXPECT_EQ(describe_hosts({"a"}), "1 rank on 1 host: a 0");
  EXPECT_EQ(describe_hosts({"a", "a", "b", "b", "b", "a"}),
            "6 ranks on 2 hosts: a 0-1 5, b 2-4");
  EXPECT_TRUE(is_one_host({"a", "a"}));
  EXPECT_FALSE(is_one_host({"a", "b"}));
}

// Four ranks dealt to two hosts in turn: tensor neighbours come together.
TEST(Placement, BringsTensorNeighboursToOneHost) {
  const mesh::Mesh mesh({.data = 2, .tensor = 2});
  run_ranks({.ranks = 4}, [&](comm::Communicator& comm) {
    const std::string host = comm.rank() % 2 == 0 ? "first" : "second";
    const Placement placement = place_ranks(comm, mesh, hosts_of(comm, host));
    ASSERT_NE(placement.world, nullptr);
    EXPECT_EQ(placement.warning, "");
    EXPECT_THAT(hosts_of(*placement.world, host),
                ElementsAre("first", "first", "second", "second"));
  });
}

TEST(Placement, LeavesRanksThatStandWell) {
  const mesh::Mesh mesh({.data = 2, .tensor = 2});
  run_ranks({.ranks = 4}, [&](comm::Communicator& comm) {
    const std::string host = comm.rank() < 2 ? "first" : "second";
    EXPECT_EQ(place_ranks(comm, mesh, hosts_of(comm, host)).world, nullptr);
  });
}

TEST(Placement, WarnsWhereTensorGroupsCrossHosts) {
  const mesh::Mesh mesh({.tensor = 2});
  run_ranks({.ranks = 2}, [&](comm::Communicator& comm) {
    const std::string host = comm.rank() == 0 ? "first" : "second";
    EXPECT_NE(place_ranks(comm, mesh, hosts_of(comm, host)).warning, "");
  });
}

}  // namespace
}  // namespace dure::launch
