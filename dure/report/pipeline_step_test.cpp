#include "dure/report/pipeline_step.h"

#include <functional>

#include <gtest/gtest.h>

namespace dure::report {
namespace {

using parallel::Action;
using parallel::Pass;
using parallel::Replay;
using parallel::ScheduleKind;
using parallel::ScheduleOptions;

constexpr ScheduleOptions kOptions = {
    .kind = ScheduleKind::k1F1B, .ranks = 4, .micro_batches = 8};

ScheduleOptions unknown_micro_batches(ScheduleOptions options) {
  options.micro_batches = 1;
  return options;
}

// Where a rank's step begins on its clock.
using StartOf = std::function<double(int rank)>;

// Adds the events of a step that went like a replay.
void add_step(TraceEvents& events,
              std::int64_t step,
              const Replay& replay,
              const StartOf& start_of) {
  for (std::size_t i = 0; i < replay.spans.size(); ++i) {
    const int rank = 2 * static_cast<int>(i);
    const double start = start_of(rank);
    events.steps.push_back({.rank = rank,
                            .step = step,
                            .start = start,
                            .seconds = replay.makespan + 2});
    for (const auto& span : replay.spans[i]) {
      Action action = span.action;
      if (action.pass == Pass::kInputGradient) {
        action.pass = Pass::kBackward;
      }
      events.actions.push_back({.rank = rank,
                                .action = action,
                                .start = start + 1 + span.start,
                                .seconds = span.end - span.start});
    }
  }
}

const std::vector<int> kRanks = {0, 2, 4, 6};

TEST(FindStep, MeasuresWhatWasPlanned) {
  const Replay replay = parallel::replay(kOptions);
  TraceEvents events;
  add_step(events, 7, replay, [](int) { return 100.0; });
  const auto found =
      find_step(events, unknown_micro_batches(kOptions), kRanks, std::nullopt);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->step, 7);
  EXPECT_EQ(found->options.micro_batches, 8);
  EXPECT_FALSE(found->aligned);
  // 4 stages, 8 micro-batches, forward 1 and backward 2 give 33 slots, 9 of
  // them idle.
  for (const Replay* result :
       {&found->measured, &found->planned, &found->uneven}) {
    EXPECT_NEAR(result->makespan, 33, 1e-9);
    for (const double bubble : result->bubble) {
      EXPECT_NEAR(bubble, 9, 1e-9);
    }
    EXPECT_NEAR(bubble_share(*result), 9.0 / 33, 1e-9);
  }
  EXPECT_EQ(found->measured.spans[3][0].action, (Action{Pass::kForward, 0, 0}));
  EXPECT_NEAR(found->measured.spans[3][0].start, 3, 1e-9);
}

TEST(FindStep, KnowsSplitBackwardsAndChunks) {
  for (const ScheduleOptions& options :
       {ScheduleOptions{
            .kind = ScheduleKind::kZbH1, .ranks = 4, .micro_batches = 8},
        ScheduleOptions{.kind = ScheduleKind::kInterleaved,
        .ranks = 4,
        .micro_batches = 8,
        .chunks = 2}}) {
    TraceEvents events;
    add_step(events, 1, parallel::replay(options), [](int) { return 5.0; });
    const auto found =
        find_step(events, unknown_micro_batches(options), kRanks, std::nullopt);
    ASSERT_TRUE(found) << parallel::name_of(options.kind);
    EXPECT_NEAR(found->measured.makespan, found->planned.makespan, 1e-9);
  }
}

TEST(FindStep, TellsUnevenStagesFromWaiting) {
  const auto programs = parallel::programs_of(kOptions);
  const auto time_of = [](int rank, const Action& action) {
    return (rank == 3 ? 1.5 : 1.0) * (action.pass == Pass::kForward ? 1 : 2);
  };
  TraceEvents events;
  add_step(
      events, 1, parallel::replay(kOptions, programs, time_of, 0.25), [](int) {
        return 5.0;
      });
  const auto found = find_step(events, kOptions, kRanks, std::nullopt);
  ASSERT_TRUE(found);
  // The mean over the ranks is 4.5 / 4 of a slot.
  EXPECT_NEAR(found->planned.makespan, 33 * 4.5 / 4, 1e-9);
  EXPECT_NEAR(found->uneven.makespan,
              parallel::replay(kOptions, programs, time_of, 0).makespan,
              1e-9);
  EXPECT_GT(found->measured.makespan, found->uneven.makespan + 0.25);
}

TEST(FindStep, TakesTheLastCompleteOneOrTheOneWanted) {
  const Replay replay = parallel::replay(kOptions);
  TraceEvents events;
  for (const int step : {1, 2, 3}) {
    add_step(events, step, replay, [&](int) { return 50.0 * step; });
  }
  EXPECT_EQ(find_step(events, kOptions, kRanks, std::nullopt)->step, 3);
  EXPECT_EQ(find_step(events, kOptions, kRanks, 1)->step, 1);
  EXPECT_FALSE(find_step(events, kOptions, kRanks, 4));
  events.actions.pop_back();
  EXPECT_EQ(find_step(events, kOptions, kRanks, std::nullopt)->step, 2);
}

TEST(FindStep, PassesOverEvaluationAfterTheStep) {
  TraceEvents events;
  add_step(events, 1, parallel::replay(kOptions), [](int) { return 100.0; });
  for (const int rank : kRanks) {
    for (int m = 0; m < 20; ++m) {
      events.actions.push_back({.rank = rank,
                                .action = {Pass::kForward, 0, m},
                                .start = 134.5 + 0.01 * m,
                                .seconds = 0.001});
    }
  }
  const auto found = find_step(events, kOptions, kRanks, std::nullopt);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->options.micro_batches, 8);
  EXPECT_NEAR(found->measured.makespan, 33, 1e-9);
}

TEST(FindStep, AlignsClocksOfDifferentHosts) {
  TraceEvents events;
  add_step(events, 1, parallel::replay(kOptions), [](int rank) {
    return 1000.0 * rank;
  });
  const auto found = find_step(events, kOptions, kRanks, std::nullopt);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->aligned);
  EXPECT_NEAR(found->measured.makespan, 33, 1e-9);
}

TEST(FindStep, FindsNothingWhereActionsAreNotTheSchedules) {
  TraceEvents events;
  add_step(events, 1, parallel::replay(kOptions), [](int) { return 100.0; });
  ScheduleOptions other = kOptions;
  other.kind = ScheduleKind::kGpipe;
  EXPECT_FALSE(find_step(events, other, kRanks, std::nullopt));
  EXPECT_FALSE(find_step(TraceEvents(), kOptions, kRanks, std::nullopt));
}

}  // namespace
}  // namespace dure::report
