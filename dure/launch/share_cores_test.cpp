#include "dure/launch/share_cores.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <mutex>

#include <gtest/gtest.h>

#include "dure/comm/threads/threads_communicator.h"
#include "dure/launch/cores.h"
#include "dure/launch/run_ranks.h"

namespace dure::launch {
namespace {

using testing::ElementsAre;

TEST(ShareCores, DividesWhatAllMayUse) {
  const std::vector<std::vector<int>> two(2, {0, 1, 2, 3, 4});
  EXPECT_THAT(share_of(two, 0).cores, ElementsAre(0, 1));
  EXPECT_EQ(share_of(two, 0).sharers, 2);
  EXPECT_THAT(share_of(two, 1).cores, ElementsAre(2, 3, 4));
  EXPECT_EQ(share_of(two, 1).sharers, 2);
}

TEST(ShareCores, GivesAllToEachWhereThereAreMoreProcessesThanCores) {
  const std::vector<std::vector<int>> four(4, {0, 1});
  for (int place = 0; place < 4; ++place) {
    EXPECT_THAT(share_of(four, place).cores, ElementsAre(0, 1));
    EXPECT_EQ(share_of(four, place).sharers, 4);
  }
}

TEST(ShareCores, LeavesToEachWhatTheLauncherHasGivenIt) {
  const std::vector<std::vector<int>> bound = {{0, 1, 2}, {3, 4, 5}};
  EXPECT_THAT(share_of(bound, 1).cores, ElementsAre(3, 4, 5));
  EXPECT_EQ(share_of(bound, 1).sharers, 1);
  // Two sockets have two processes each.
  const std::vector<std::vector<int>> sockets = {
      {0, 1}, {2, 3}, {0, 1}, {2, 3}};
  EXPECT_THAT(share_of(sockets, 0).cores, ElementsAre(0));
  EXPECT_THAT(share_of(sockets, 1).cores, ElementsAre(2));
  EXPECT_THAT(share_of(sockets, 2).cores, ElementsAre(1));
  EXPECT_THAT(share_of(sockets, 3).cores, ElementsAre(3));
}

// Threads stand in for processes here: they share this process's cores.
TEST(ShareCores, OfAllRanksOfAHostAreThoseThatItHas) {
  const std::vector<int> usable = usable_cores();
  std::mutex mutex;
  std::vector<int> given;
  run_ranks({.ranks = 2}, [&](comm::Communicator& world) {
    const CoreShare share = share_cores(world, {0, 0});
    const std::lock_guard lock(mutex);
    given.insert(given.end(), share.cores.begin(), share.cores.end());
  });
  std::sort(given.begin(), given.end());
  std::vector<int> wanted = usable;
  std::sort(wanted.begin(), wanted.end());
  if (usable.size() >= 2) {
    EXPECT_EQ(given, wanted);
  }
  // On hosts of their own, each has all cores.
  run_ranks({.ranks = 2}, [&](comm::Communicator& world) {
    EXPECT_EQ(share_cores(world, {0, 1}).cores.size(), usable.size());
  });
}

}  // namespace
}  // namespace dure::launch
