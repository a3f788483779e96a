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

}  // namespace
}  // namespace dure::launch
