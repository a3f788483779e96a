#include "dure/comm/same.h"

#include <gmock/gmock.h>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/comm/threads/threads_communicator.h"

namespace dure::comm {
namespace {

// The message on each rank; "" if all facts are the same.
std::vector<std::string> heard(const std::vector<Facts>& facts) {
  const auto ranks = static_cast<int>(facts.size());
  ThreadWorld world(ranks, {.timeout_seconds = 60});
  std::vector<std::string> texts(facts.size());
  std::vector<std::thread> threads;
  for (std::size_t r = 0; r < facts.size(); ++r) {
    threads.emplace_back([&, r] {
      try {
        expect_same(*world.communicators()[r], facts[r]);
      } catch (const UsageError& error) {
        texts[r] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  return texts;
}

void expect_all_hear(const std::vector<Facts>& facts, const std::string& said) {
  const auto texts = heard(facts);
  for (const std::string& text : texts) {
    EXPECT_THAT(text, testing::HasSubstr(said));
    EXPECT_EQ(text, texts[0]);
  }
}

const Facts kFacts = {{"command", "train"}, {"layers", "2"}, {"seed", "1"}};

TEST(ExpectSame, IsSilentWhereAllAre) {
  EXPECT_THAT(heard({kFacts, kFacts, kFacts}), testing::Each(""));
  EXPECT_THAT(heard({kFacts}), testing::Each(""));
  EXPECT_THAT(heard({{}, {}}), testing::Each(""));
}

TEST(ExpectSame, NamesTheFirstKeyThatDiffersWithItsValuesAndRanks) {
  Facts other = kFacts;
  other[1].second = "3";
  other[2].second = "99";
  expect_all_hear({kFacts, kFacts, other},
                  "do not agree on layers: ranks 0-1 have 2, rank 2 has 3;");
  expect_all_hear({other, kFacts, kFacts, other},
                  "layers: ranks 0, 3 have 3, ranks 1-2 have 2;");
}

TEST(ExpectSame, KnowsAnotherProgramsKeys) {
  const Facts eval = {{"command", "eval"}};
  expect_all_hear({kFacts, eval}, "command: rank 0 has train, rank 1 has eval");
  Facts more = kFacts;
  more.emplace_back("new_key", "true");
  expect_all_hear({kFacts, more},
                  "new_key: rank 0 has nothing, rank 1 has true");
  expect_all_hear({more, kFacts},
                  "new_key: rank 0 has true, rank 1 has nothing");
  expect_all_hear({{}, kFacts}, "command: rank 0 has nothing, rank 1 has");
}

TEST(ExpectSame, ShowsTextAsText) {
  Facts other = kFacts;
  other[0].second = "\x1b[2J" + std::string(1000, 'x');
  expect_all_hear({kFacts, other}, "rank 1 has \\x1b[2Jxxx");
}

}  // namespace
}  // namespace dure::comm
