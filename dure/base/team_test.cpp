#include "dure/base/team.h"

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/limits.h"

namespace dure {
namespace {

TEST(Team, DoesEveryPieceOnce) {
  for (const int members : {1, 2, 3, 7}) {
    Team team(members);
    EXPECT_EQ(team.members(), members);
    for (const std::int64_t pieces : {0, 1, 2, 5, 64, 1000}) {
      std::vector<int> times(static_cast<std::size_t>(pieces));
      team.run(pieces, [&](std::int64_t piece, int) { ++times[piece]; });
      EXPECT_EQ(times, std::vector<int>(times.size(), 1));
    }
  }
}

TEST(Team, IsOfAsManyAsMayRunAtOnceWhereNothingIsSaid) {
  EXPECT_EQ(Team(0).members(), usable_processors());
}

// A job reads what the one before has written, whichever threads run them.
TEST(Team, BeginsAJobWhenTheOneBeforeIsDone) {
  constexpr std::int64_t kPieces = 12;
  Team team(4);
  std::array<std::int64_t, kPieces> before{};
  for (std::int64_t job = 1; job <= 3000; ++job) {
    std::array<std::int64_t, kPieces> now{};
    team.run(kPieces, [&](std::int64_t piece, int) {
      const auto p = static_cast<std::size_t>(piece);
      now[p] = before[kPieces - 1 - p] + 1;
    });
    before = now;
  }
  for (const std::int64_t jobs : before) {
    ASSERT_EQ(jobs, 3000);
  }
}

TEST(Team, GivesAMemberOnePieceAtATime) {
  Team team(3);
  std::array<std::atomic<int>, 3> at_work{};
  std::atomic<bool> twice = false;
  for (int job = 0; job < 200; ++job) {
    team.run(30, [&](std::int64_t, int member) {
      auto& here = at_work[member];
      twice = here.fetch_add(1) != 0 || twice;
      here.fetch_sub(1);
    });
  }
  EXPECT_FALSE(twice);
}

// A member that has lost its core holds up its current piece, and nothing else.
TEST(Team, TakesFromAMemberThatIsHeldUp) {
  Team team(2);
  std::mutex mutex;
  std::vector<std::int64_t> of_caller;
  std::atomic<std::int64_t> held = -1;
  std::atomic<std::int64_t> left = 8;
  team.run(8, [&](std::int64_t piece, int member) {
    if (member == 1) {
      held = piece;
      while (left > 1) {  // until all others are done
        std::this_thread::yield();
      }
    } else {
      while (held < 0) {  // the other must have one first
        std::this_thread::yield();
      }
      const std::scoped_lock lock(mutex);
      of_caller.push_back(piece);
    }
    --left;
  });
  EXPECT_EQ(of_caller.size(), 7U);
  EXPECT_EQ(std::set<std::int64_t>(of_caller.begin(), of_caller.end()).size(),
            7U);
}

TEST(Team, WakesMembersThatHaveGoneToSleep) {
  Team team(2);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> met = 0;
    team.run(2, [&](std::int64_t, int) {  // both at once, or never
      ++met;
      while (met < 2) {
        std::this_thread::yield();
      }
    });
    EXPECT_EQ(met, 2);
  }
}

TEST(Team, EndsWithoutHavingWorked) {
  for (int i = 0; i < 50; ++i) {
    Team team(3);
    if (i % 2 == 0) {
      team.run(1, [](std::int64_t, int) {});
    } else {
      team.run(3, [](std::int64_t, int) {});
    }
  }
}

}  // namespace
}  // namespace dure
