#include "dure/parallel/pipeline/replay.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <set>
#include <string>

#include "dure/base/check.h"
#include "dure/parallel/pipeline/schedule_testing.h"

namespace dure::parallel {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

Replay replay_of(ScheduleKind kind,
                 int stages,
                 int micro_batches,
                 int chunks = 1) {
  return replay(options_for(kind, stages, micro_batches, chunks));
}

int most_in_flight(const Replay& replay) {
  return *std::max_element(replay.peak_in_flight.begin(),
                           replay.peak_in_flight.end());
}

// Compares with published drawings: GPipe [1], figure 2; Megatron-LM [3],
// figures 3 and 4.
TEST(Replay, TakesTheDrawnTime) {
  for (const ScheduleKind kind : {ScheduleKind::kGpipe, ScheduleKind::k1F1B}) {
    for (const auto& [p, m, makespan] : {std::tuple{2, 4, 15},
                                         {4, 1, 12},
                                         {4, 4, 21},
                                         {4, 8, 33},
                                         {4, 16, 57}}) {
      const Replay result = replay_of(kind, p, m);
      EXPECT_EQ(result.makespan, makespan);
      EXPECT_EQ(result.period, makespan);
      EXPECT_THAT(result.bubble, Each(3 * (p - 1)));
    }
  }
  const Replay result = replay_of(ScheduleKind::kInterleaved, 4, 8, 2);
  EXPECT_EQ(result.makespan, 28.5);
  EXPECT_THAT(result.bubble, Each(4.5));
}

TEST(Replay, HoldsTheDrawnActivations) {
  EXPECT_THAT(replay_of(ScheduleKind::kGpipe, 4, 8).peak_in_flight,
              ElementsAre(8, 8, 8, 8));
  EXPECT_THAT(replay_of(ScheduleKind::k1F1B, 4, 8).peak_in_flight,
              ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(replay_of(ScheduleKind::k1F1B, 4, 1).peak_in_flight, Each(1));
  EXPECT_THAT(replay_of(ScheduleKind::kNaive, 4, 8).peak_in_flight, Each(1));
}

TEST(Replay, NaiveKeepsOneStageBusy) {
  for (const int p : {1, 2, 4, 7}) {
    const Replay result = replay_of(ScheduleKind::kNaive, p, 5);
    EXPECT_EQ(result.makespan, 3 * 5 * p);
    EXPECT_THAT(result.bubble, Each(3 * 5 * (p - 1)));
  }
}

// With m micro-batches that take a stage 3 each, the bubble is (p - 1) / m, and
// 1 / v of that with v chunks.
TEST(Replay, BubbleIsAsTheFormulaSays) {
  for (const ScheduleOptions& options : every_small_schedule()) {
    if (options.kind == ScheduleKind::kGpipe ||
        options.kind == ScheduleKind::k1F1B ||
        options.kind == ScheduleKind::kInterleaved) {
      const double wanted = 3.0 * (options.ranks - 1) / options.chunks;
      EXPECT_THAT(replay(options).bubble,
                  Each(testing::DoubleNear(wanted, 1e-9)))
          << text_of(options);
    }
  }
}

// Megatron-LM [3] holds its warm-up and one more micro-batch, in rounds of p,
// at most m v.
TEST(Replay, InterleavedHoldsItsWarmUp) {
  for (const ScheduleOptions& options : every_small_schedule()) {
    const int p = options.ranks;
    const int v = options.chunks;
    if (options.kind != ScheduleKind::kInterleaved || v == 1) {
      continue;
    }
    const std::vector<int> peak = replay(options).peak_in_flight;
    for (int r = 0; r < p; ++r) {
      const int wanted = 2 * (p - 1 - r) + (v - 1) * p + 1;
      EXPECT_EQ(peak[r], std::min(wanted, options.micro_batches * v))
          << text_of(options) << " rank " << r;
    }
  }
}

// Qi et al. [4], section 2.3: the bubble is (p - 1) (F + B - W), with the
// memory of 1F1B.
TEST(Replay, ZbH1HasAThirdOfTheBubbleInTheSameMemory) {
  for (const ScheduleOptions& options : every_small_schedule()) {
    if (options.kind == ScheduleKind::kZbH1 &&
        options.micro_batches >= options.ranks) {
      const Replay result = replay(options);
      EXPECT_THAT(result.bubble, Each(options.ranks - 1)) << text_of(options);
      EXPECT_LE(most_in_flight(result), options.ranks) << text_of(options);
    }
  }
}

// [4], section 2.4: (p - 1) (F + B - 2 W), with at most twice the memory. Each
// rank starts later than the one before it, which is part of the makespan.
TEST(Replay, Zb2pHasNoBubbleInTwiceTheMemory) {
  for (const ScheduleOptions& options : every_small_schedule()) {
    const int p = options.ranks;
    const int m = options.micro_batches;
    if (options.kind != ScheduleKind::kZb2p) {
      continue;
    }
    const Replay result = replay(options);
    EXPECT_LE(most_in_flight(result), 2 * p) << text_of(options);
    if (m >= 2 * p - 1) {
      EXPECT_THAT(result.bubble, Each(0)) << text_of(options);
      EXPECT_EQ(result.makespan, 3 * m + p - 1) << text_of(options);
    }
  }
}

// The bubble is at most half of 1F1B's, also when messages take time: programs
// that only just fit then lose something at every micro-batch.
TEST(Replay, ZbVHasLittleBubbleInTheMemoryOf1F1B) {
  for (const ScheduleOptions& options : every_small_schedule()) {
    const int p = options.ranks;
    const int m = options.micro_batches;
    if (options.kind != ScheduleKind::kZbV) {
      continue;
    }
    const Replay result = replay(options);
    EXPECT_LE(most_in_flight(result), 2 * p) << text_of(options);
    if (m >= p && p > 1) {
      EXPECT_LE(result.bubble[0], 1.5 * (p - 1)) << text_of(options);
      const PassTimes slow = {.message = 0.25};
      EXPECT_LT(
          replay(options, slow).bubble[0],
          0.6 * replay(options_for(ScheduleKind::k1F1B, p, m), slow).bubble[0])
          << text_of(options);
    }
  }
}

// The versions that a rank keeps, by weight_staleness(): the update that a
// micro-batch's weights come from must have been made by then, and its version
// still be kept.
int versions_kept(const ScheduleOptions& options, int rank) {
  const int delay = weight_staleness(options, rank);
  int updates = 0;
  std::multiset<int> used;
  int most = 1;
  for (const Action& action : program_of(options, rank)) {
    const int version = std::max(
        action.micro_batch / options.micro_batches_per_update - delay, 0);
    if (action.pass == Pass::kForward) {
      EXPECT_LE(version, updates) << text_of(options) << " rank " << rank;
      used.insert(version);
    } else if (action.pass == Pass::kBackward) {
      used.erase(used.find(version));
    } else {
      ++updates;
    }
    // The versions from the oldest in use, or soon to be, to the newest.
    const int coming = std::max(updates - delay, 0);
    const int oldest = used.empty() ? coming : std::min(*used.begin(), coming);
    most = std::max(most, updates - oldest + 1);
  }
  return most;
}

TEST(Replay, CountsTheWeightVersionsThatTheUpdateRuleNeeds) {
  EXPECT_THAT(replay_of(ScheduleKind::k1F1B, 4, 8).weight_versions, Each(1));
  EXPECT_THAT(replay_of(ScheduleKind::kPipedream, 4, 8).weight_versions,
              ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(replay_of(ScheduleKind::kPipedream2bw, 4, 8).weight_versions,
              ElementsAre(2, 2, 2, 2));
  for (const ScheduleOptions& options : every_small_schedule()) {
    if (is_synchronous(options.kind) ||
        options.micro_batches < 2 * options.ranks) {
      continue;
    }
    const std::vector<int> versions = replay(options).weight_versions;
    for (int rank = 0; rank < options.ranks; ++rank) {
      EXPECT_EQ(versions[rank], versions_kept(options, rank))
          << text_of(options) << " rank " << rank;
    }
  }
}

TEST(Replay, NoScheduleHangs) {
  for (const ScheduleOptions& options : every_small_schedule()) {
    EXPECT_NO_THROW(replay(options)) << text_of(options);
  }
  for (const ScheduleOptions& options : every_large_schedule()) {
    const PassTimes uneven = {.forward = 1,
                              .backward = 2.5,
                              .input = 1.25,
                              .weight = 0.75,
                              .update = 0.5,
                              .message = 0.25};
    EXPECT_NO_THROW(replay(options, uneven)) << text_of(options);
  }
}

TEST(Replay, MessagesTakeTheirTimeBetweenRanksOnly) {
  const ScheduleOptions options = options_for(ScheduleKind::k1F1B, 4, 1);
  EXPECT_EQ(replay(options, {.message = 0.5}).makespan, 12 + 6 * 0.5);
  const ScheduleOptions alone =
      options_for(ScheduleKind::kInterleaved, 1, 3, 2);
  EXPECT_EQ(replay(alone, {.message = 0.5}).makespan, 9);
}

TEST(Replay, TakesMeasuredTimes) {
  const ScheduleOptions options = options_for(ScheduleKind::kGpipe, 2, 2);
  const TimeOf time_of = [](int rank, const Action& action) {
    return rank == 1 && action.pass == Pass::kForward ? 10.0 : 1.0;
  };
  const Replay result = replay(options, programs_of(options), time_of, 0);
  EXPECT_EQ(result.spans[1][1].start, 11);
  EXPECT_EQ(result.makespan, 24);  // 1 + 2 * 10 + 2, and a backward behind
}

TEST(Replay, NamesWhoWaitsForever) {
  const ScheduleOptions options = options_for(ScheduleKind::k1F1B, 2, 1);
  const Program backward_first = {{.pass = Pass::kBackward},
                                  {.pass = Pass::kForward}};
  try {
    replay(
        options,
        {backward_first, backward_first},
        [](int, const Action&) { return 1.0; },
        0);
    FAIL() << "no Error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("rank 0 at B0, rank 1 at B0"));
  }
}

// Rank 0 has kPendingSends messages in flight and one more to send; rank 1
// receives the last of them first.
TEST(Replay, NamesWhoHasTooManyMessagesUnderWay) {
  const ScheduleOptions options =
      options_for(ScheduleKind::kGpipe, 2, kPendingSends + 1);
  std::vector<Program> programs = programs_of(options);
  std::swap(programs[1][0], programs[1][kPendingSends]);
  try {
    replay(
        options, programs, [](int, const Action&) { return 1.0; }, 0);
    FAIL() << "no Error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("rank 0 to send what it has of F2, rank 1 at F2"));
  }
}

TEST(Replay, RefusesActionsThatThereAreNot) {
  const ScheduleOptions options = options_for(ScheduleKind::kGpipe, 1, 1);
  const TimeOf time_of = [](int, const Action&) { return 1.0; };
  EXPECT_THROW(replay(options, {{{.micro_batch = 1}}}, time_of, 0), Error);
  EXPECT_THROW(replay(options, {}, time_of, 0), Error);
}

}  // namespace
}  // namespace dure::parallel
