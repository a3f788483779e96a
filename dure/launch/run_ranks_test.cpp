#include "dure/launch/run_ranks.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <gmock/gmock.h>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/comm/host_testing.h"
#include "dure/launch/cores.h"

namespace dure::launch {
namespace {

using comm::Communicator;

TEST(RunRanks, GivesEveryRankItsCommunicator) {
  std::atomic<int> seen = 0;
  run_ranks({.ranks = 4}, [&](Communicator& comm) {
    std::int64_t rank = comm.rank();
    const Tensor tensor(&rank, {1});
    comm.run(comm::host(), comm::AllReduce{.y = tensor, .x = tensor});
    EXPECT_EQ(rank, 6);
    ++seen;
  });
  EXPECT_EQ(seen, 4);
}

TEST(RunRanks, ThrowsWhatTheFirstRankThrewAndItsNumber) {
  const auto start = std::chrono::steady_clock::now();
  try {
    run_ranks({.ranks = 4}, [](Communicator& comm) {
      if (comm.rank() == 3) {
        throw UsageError("no such file");
      }
      comm.run(comm::host(), comm::Barrier{});
    });
    ADD_FAILURE() << "nothing thrown";
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "rank 3: no such file");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(RunRanks, SaysWhoIsStuck) {
  std::string said;
  std::atomic<bool> let_go = false;
  EXPECT_THROW(run_ranks({.ranks = 3,
                          .grace_seconds = 0.1,
                          .on_stuck =
                              [&](const std::string& text) {
                                said = text;
                                let_go = true;
                              }},
                         [&](Communicator& comm) {
                           if (comm.rank() == 0) {
                             throw Error("first");
                           }
                           while (comm.rank() == 1 && !let_go) {
                             std::this_thread::yield();
                           }
                         }),
               Error);
  EXPECT_THAT(said,
              testing::AllOf(testing::HasSubstr("rank 0: first"),
                             testing::HasSubstr("ended: rank 1"),
                             testing::Not(testing::HasSubstr("rank 2"))));
}

TEST(RunRanks, GivesARankItsShareOfTheThreads) {
  const std::size_t cores = usable_cores().size();
  const auto expect_threads = [](const RankThreads& options, int threads) {
    run_ranks(options, [&](Communicator& world) {
      EXPECT_EQ(world.options().threads, threads);
    });
  };
  expect_threads({.ranks = 1}, static_cast<int>(cores));
  expect_threads({.ranks = static_cast<int>(cores) + 1}, 1);
  expect_threads({.ranks = 2, .threads = 3}, 3);
}

TEST(RunRanks, SaysWhereThereCantBeSoManyThreads) {
  try {
    check_threads(1 << 20, 1 << 20);
    ADD_FAILURE() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::HasSubstr("does not grant 1048576 ranks 1048576 "
                                   "threads each ("));
  }
  EXPECT_NO_THROW(check_threads(1, 1));
}

TEST(Cores, AreDividedNearEvenlyAndOnce) {
  const std::vector<int> cores = {0, 4, 1, 5, 2, 6, 3};
  for (int ranks = 1; ranks <= 7; ++ranks) {
    std::vector<int> all;
    for (const auto& share : divide_cores(cores, ranks)) {
      EXPECT_GE(share.size(), cores.size() / static_cast<std::size_t>(ranks));
      all.insert(all.end(), share.begin(), share.end());
    }
    EXPECT_EQ(all, cores);
  }
}

TEST(Cores, AreSharedByMoreRanksThanThereAre) {
  const std::vector<int> cores = {0, 1};
  for (const auto& share : divide_cores(cores, 5)) {
    EXPECT_EQ(share, cores);
  }
}

TEST(Cores, OfANeighbourhoodHoldTheShareAndAreUsable) {
  const std::vector<int> usable = usable_cores();
  const auto shares = divide_cores(usable, static_cast<int>(usable.size()));
  const auto near = neighbourhoods(shares);
  ASSERT_EQ(near.size(), shares.size());
  for (std::size_t i = 0; i < near.size(); ++i) {
    EXPECT_TRUE(std::includes(
        near[i].begin(), near[i].end(), shares[i].begin(), shares[i].end()));
  }
  EXPECT_EQ(neighbourhoods({usable}).front(), usable);
}

TEST(Cores, AreThereAndDistinct) {
  const std::vector<int> cores = usable_cores();
  EXPECT_FALSE(cores.empty());
  EXPECT_EQ(std::set<int>(cores.begin(), cores.end()).size(), cores.size());
}

}  // namespace
}  // namespace dure::launch
