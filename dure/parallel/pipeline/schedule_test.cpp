#include "dure/parallel/pipeline/schedule.h"

#include <gmock/gmock.h>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "dure/base/check.h"
#include "dure/parallel/pipeline/schedule_testing.h"

namespace dure::parallel {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string text_of(const Program& program, int chunks) {
  std::string text;
  for (const Action& action : program) {
    text += text.empty() ? "" : " ";
    text += text_of(action, chunks);
  }
  return text;
}

std::vector<Pass> passes_of(ScheduleKind kind) {
  if (splits_backward(kind)) {
    return {Pass::kForward, Pass::kInputGradient, Pass::kWeightGradient};
  }
  return {Pass::kForward, Pass::kBackward};
}

// Fails the test, without an exception, if an action comes twice, never, or
// before one of a lower micro-batch.
void expect_ascending(const ScheduleOptions& options, const Program& program) {
  std::map<std::pair<Pass, int>, int> next;
  for (const Action& action : program) {
    if (action.pass == Pass::kUpdate) {
      continue;
    }
    int& wanted = next[{action.pass, action.chunk}];
    ASSERT_EQ(action.micro_batch, wanted);
    ++wanted;
  }
  std::map<std::pair<Pass, int>, int> all;
  for (const Pass pass : passes_of(options.kind)) {
    for (int chunk = 0; chunk < options.chunks; ++chunk) {
      all[{pass, chunk}] = options.micro_batches;
    }
  }
  ASSERT_EQ(next, all);
}

TEST(Schedule, DoesEachActionOnceAndMicroBatchesInAscendingOrder) {
  for (const ScheduleOptions& options : every_small_schedule()) {
    SCOPED_TRACE(text_of(options));
    for (const Program& program : programs_of(options)) {
      expect_ascending(options, program);
    }
    if (HasFatalFailure()) {
      return;
    }
  }
}

TEST(Schedule, OfOneRankIsThatOfAll) {
  for (const ScheduleOptions& options :
       every_schedule({1, 3, 4}, {4, 12}, {1, 2})) {
    const std::vector<Program> programs = programs_of(options);
    ASSERT_EQ(programs.size(), options.ranks);
    for (int rank = 0; rank < options.ranks; ++rank) {
      EXPECT_EQ(program_of(options, rank), programs[rank]) << text_of(options);
    }
  }
}

TEST(Schedule, OneForwardOneBackwardOfThreeStages) {
  const ScheduleOptions options = options_for(ScheduleKind::k1F1B, 3, 4);
  EXPECT_EQ(text_of(program_of(options, 0), 1), "F0 F1 F2 B0 F3 B1 B2 B3");
  EXPECT_EQ(text_of(program_of(options, 1), 1), "F0 F1 B0 F2 B1 F3 B2 B3");
  EXPECT_EQ(text_of(program_of(options, 2), 1), "F0 B0 F1 B1 F2 B2 F3 B3");
}

// The order is that of figure 4 of [3], whose numbers count from 1: device 1 of
// four.
TEST(Schedule, InterleavedGoesRoundByRound) {
  const ScheduleOptions options =
      options_for(ScheduleKind::kInterleaved, 4, 8, 2);
  EXPECT_EQ(text_of(program_of(options, 0), 2),
            "F0.0 F1.0 F2.0 F3.0 F0.1 F1.1 F2.1 F3.1 F4.0 F5.0 "
            "F6.0 B0.1 F7.0 B1.1 F4.1 B2.1 F5.1 B3.1 F6.1 B0.0 F7.1 B1.0 "
            "B2.0 B3.0 B4.1 B5.1 B6.1 B7.1 B4.0 B5.0 B6.0 B7.0");
  EXPECT_EQ(text_of(program_of(options, 3), 2).substr(0, 44),
            "F0.0 F1.0 F2.0 F3.0 F0.1 B0.1 F1.1 B1.1 F2.1");
}

TEST(Schedule, ZbH1PutsWeightsOffByTheRank) {
  const ScheduleOptions options = options_for(ScheduleKind::kZbH1, 3, 4);
  EXPECT_EQ(text_of(program_of(options, 0), 1),
            "F0 F1 F2 B0 W0 F3 B1 W1 B2 W2 B3 W3");
  EXPECT_EQ(text_of(program_of(options, 2), 1),
            "F0 B0 F1 B1 F2 B2 W0 F3 B3 W1 W2 W3");
}

TEST(Schedule, AsynchronousOnesUpdateAfterBackwards) {
  ScheduleOptions options = options_for(ScheduleKind::kPipedream, 2, 3);
  EXPECT_EQ(text_of(program_of(options, 0), 1), "F0 F1 B0 U0 F2 B1 U1 B2 U2");
  options = options_for(ScheduleKind::kPipedream2bw, 2, 4);
  EXPECT_EQ(text_of(program_of(options, 0), 1),
            "F0 F1 B0 F2 B1 U1 F3 B2 B3 U3");
}

TEST(Schedule, StagesAndPlacesAreInverse) {
  for (const ScheduleOptions& options :
       every_schedule({1, 2, 5}, {5, 10}, {1, 2, 3})) {
    std::set<int> stages;
    for (int rank = 0; rank < options.ranks; ++rank) {
      for (int chunk = 0; chunk < options.chunks; ++chunk) {
        const int stage = stage_of(options, rank, chunk);
        stages.insert(stage);
        EXPECT_EQ(place_of(options, stage), (Place{rank, chunk}));
      }
    }
    EXPECT_EQ(stages.size(), options.ranks * options.chunks);
    EXPECT_EQ(*stages.rbegin(), options.ranks * options.chunks - 1);
  }
}

TEST(Schedule, OfAVGoesThereAndBack) {
  const ScheduleOptions options = options_for(ScheduleKind::kZbV, 4, 8);
  EXPECT_EQ(stage_of(options, 3, 0), 3);
  EXPECT_EQ(stage_of(options, 3, 1), 4);
  EXPECT_EQ(stage_of(options, 0, 1), 7);
}

TEST(Schedule, NamesAreThoseOfTheConfiguration) {
  std::string names;
  for (const NamedSchedule& schedule : schedules()) {
    EXPECT_STREQ(name_of(schedule.value), schedule.name);
    names += schedule.name;
    names += " ";
  }
  EXPECT_EQ(names,
            "naive gpipe 1f1b interleaved zb-h1 zb-2p zb-v pipedream "
            "pipedream-2bw ");
}

std::string refusal(const ScheduleOptions& options) {
  try {
    validate(options);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "none";
}

TEST(Validate, TakesWhatThereAreProgramsOf) {
  for (const NamedSchedule& schedule : schedules()) {
    EXPECT_EQ(refusal(options_for(schedule.value, 4, 8)), "none");
  }
  EXPECT_EQ(refusal(options_for(ScheduleKind::kInterleaved, 4, 8, 3)), "none");
}

TEST(Validate, NamesMicroBatchesThatInterleavedCanDivide) {
  EXPECT_THAT(refusal(options_for(ScheduleKind::kInterleaved, 4, 10, 2)),
              AllOf(HasSubstr("multiple of parallel.pipeline = 4, got 10"),
                    HasSubstr("8 or 12 would do"),
                    HasSubstr("\"1f1b\"")));
  EXPECT_THAT(refusal(options_for(ScheduleKind::kInterleaved, 4, 3, 2)),
              HasSubstr("got 3; 4 would do"));
}

TEST(Validate, NamesTheChunksThatAScheduleHas) {
  EXPECT_THAT(refusal(options_for(ScheduleKind::k1F1B, 4, 8, 2)),
              AllOf(HasSubstr("parallel.virtual_stages = 1, got 2"),
                    HasSubstr("\"interleaved\"")));
  ScheduleOptions options = options_for(ScheduleKind::kZbV, 4, 8);
  options.chunks = 1;
  EXPECT_THAT(refusal(options),
              HasSubstr("parallel.virtual_stages = 2, got 1"));
}

// A forward finds the weights it reads already made. They are no older than
// pipedream's newest, or than one update before its own for 2BW.
TEST(WeightsRead, AreThereWhenAMicroBatchGoesForward) {
  for (const ScheduleOptions& options :
       every_schedule(numbers(1, 6), numbers(1, 24), {1})) {
    for (int rank = 0; rank < options.ranks; ++rank) {
      const std::vector<int> versions = versions_read(options, rank);
      ASSERT_EQ(versions.size(),
                static_cast<std::size_t>(options.micro_batches));
      int updates = 0;
      for (const Action& action : program_of(options, rank)) {
        const auto n = static_cast<std::size_t>(action.micro_batch);
        if (action.pass == Pass::kUpdate) {
          ++updates;
        } else if (options.kind == ScheduleKind::kPipedream &&
                   action.pass == Pass::kForward) {
          EXPECT_EQ(versions[n], updates);
        } else {
          EXPECT_LE(versions[n], updates);
          EXPECT_GE(versions[n], updates - weight_staleness(options, rank));
        }
      }
    }
  }
}

TEST(Validate, NamesMicroBatchesOfAnUpdate) {
  ScheduleOptions options = options_for(ScheduleKind::kPipedream2bw, 4, 8);
  options.micro_batches_per_update = 3;
  EXPECT_THAT(refusal(options), HasSubstr("wanted 4 or more, got 3"));
  options.micro_batches_per_update = 6;
  EXPECT_THAT(refusal(options),
              HasSubstr("whole updates of 6, got 8; 6 or 12 would do"));
  options = options_for(ScheduleKind::kPipedream, 4, 8);
  options.micro_batches_per_update = 2;
  EXPECT_THAT(refusal(options), HasSubstr("wanted 1 an update, got 2"));
}

TEST(Validate, WantsPositiveSizes) {
  EXPECT_THAT(refusal(options_for(ScheduleKind::k1F1B, 0, 8)),
              HasSubstr("parallel.pipeline of 1 or more, got 0"));
  EXPECT_THAT(refusal(options_for(ScheduleKind::k1F1B, 4, 0)),
              HasSubstr("one micro-batch or more, got 0"));
}

}  // namespace
}  // namespace dure::parallel
