#include "dure/data/epoch_plan.h"

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::data {
namespace {

// Megatron's published logs, by the tokens that an epoch may have had: the
// sample counts hold for all of [least, most] tokens, and for neither
// neighbour.
struct Logged {
  std::int64_t least;
  std::int64_t most;
  std::int64_t wanted;
  std::int64_t epochs;
  std::int64_t samples;
  std::int64_t per_epoch;
  std::int64_t first_block;
};

constexpr std::int64_t kSequence = 1024;

// The samples are iterations * batch; (iterations / interval + 1) * evaluations
// * batch; ...
constexpr Logged kRunA[] = {
    {1863169, 1863270, 8000, 5, 9097, 1819, 7278},
    {55297, 55356, 880, 17, 918, 54, 864},
    {1546, 1564, 80, 53, 80, 1, 80},
};

bool matches(std::int64_t tokens, const Logged& log) {
  const EpochPlan plan = plan_epochs(tokens, kSequence, log.wanted);
  return plan.epochs == log.epochs && plan.samples == log.samples &&
         plan.samples_per_epoch == log.per_epoch &&
         plan.first_block == log.first_block;
}

TEST(EpochPlan, GivesTheSampleCountsOfMegatronsLogs) {
  for (const Logged& log : kRunA) {
    for (std::int64_t tokens = log.least; tokens <= log.most; ++tokens) {
      EXPECT_TRUE(matches(tokens, log)) << tokens;
    }
    EXPECT_FALSE(matches(log.least - 1, log));
    EXPECT_FALSE(matches(log.most + 1, log));
  }
}

TEST(EpochPlan, SeparatesTheLastEpochWhereItGivesLittle) {
  EXPECT_TRUE(plan_epochs(1863200, kSequence, 8000).separate_last_epoch());
  EXPECT_TRUE(plan_epochs(55300, kSequence, 880).separate_last_epoch());
  EXPECT_FALSE(plan_epochs(1550, kSequence, 80).separate_last_epoch());
}

// The second run logs only samples and epochs: 3570 of 2, 530 of 6, 161 of 106.
TEST(EpochPlan, GivesTheSampleCountsOfTheSecondRun) {
  const Logged logs[] = {{1827841, 1828352, 3200, 2, 3570, 0, 0},
                         {90454, 90624, 480, 6, 530, 0, 0},
                         {1556, 1560, 160, 106, 161, 0, 0}};
  for (const Logged& log : logs) {
    for (std::int64_t tokens : {log.least, log.most}) {
      const EpochPlan plan = plan_epochs(tokens, kSequence, log.wanted);
      EXPECT_EQ(plan.epochs, log.epochs);
      EXPECT_EQ(plan.samples, log.samples);
    }
  }
}

// Megatron's own loop adds epochs until there are enough samples.
EpochPlan slow_plan(std::int64_t tokens,
                    std::int64_t sequence,
                    std::int64_t wanted) {
  EpochPlan plan;
  std::int64_t total = 0;
  do {
    ++plan.epochs;
    total += tokens;
  } while ((total - 1) / sequence < wanted);
  plan.samples = (total - 1) / sequence;
  plan.samples_per_epoch = (tokens - 1) / sequence;
  plan.first_block = plan.samples;
  if (plan.epochs > 1) {
    const std::int64_t before = (total - tokens - 1) / sequence;
    if (wanted - before <
        static_cast<int>(0.80 * static_cast<double>(plan.samples_per_epoch))) {
      plan.first_block = before;
    }
  }
  return plan;
}

TEST(EpochPlan, EqualsTheSlowLoopForSmallSizes) {
  for (std::int64_t sequence = 1; sequence <= 9; ++sequence) {
    for (std::int64_t tokens = sequence + 1; tokens <= 60; ++tokens) {
      for (std::int64_t wanted = 0; wanted <= 90; ++wanted) {
        const EpochPlan fast = plan_epochs(tokens, sequence, wanted);
        const EpochPlan slow = slow_plan(tokens, sequence, wanted);
        ASSERT_EQ(fast.epochs, slow.epochs);
        ASSERT_EQ(fast.samples, slow.samples);
        ASSERT_EQ(fast.samples_per_epoch, slow.samples_per_epoch);
        ASSERT_EQ(fast.first_block, slow.first_block)
            << tokens << " " << sequence << " " << wanted;
      }
    }
  }
}

TEST(EpochPlan, RefusesWhatIsShorterThanASample) {
  EXPECT_THROW(plan_epochs(1024, kSequence, 1), Error);
  EXPECT_EQ(plan_epochs(1025, kSequence, 1).samples, 1);
  EXPECT_THROW(plan_epochs(100, 0, 1), Error);
  EXPECT_THROW(plan_epochs(1025, kSequence, std::int64_t{1} << 62), Error);
}

}  // namespace
}  // namespace dure::data
