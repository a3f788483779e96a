#include "dure/data/split.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::data {
namespace {

using testing::ElementsAre;

std::array<Range, 3> ranges(const std::string& split, std::int64_t sequences) {
  return split_ranges(parse_split(split), sequences);
}

// The expected numbers are those of two runs with public logs.
TEST(Split, CutsTenThousandDocumentsAsMegatron) {
  EXPECT_THAT(
      ranges("969,30,1", 10000),
      ElementsAre(Range{0, 9690}, Range{9690, 9990}, Range{9990, 10000}));
  EXPECT_THAT(
      ranges("949,50,1", 10000),
      ElementsAre(Range{0, 9490}, Range{9490, 9990}, Range{9990, 10000}));
}

TEST(Split, RoundsHalfToEven) {
  EXPECT_THAT(ranges("1,1", 5),
              ElementsAre(Range{0, 2}, Range{2, 5}, Range{5, 5}));
  EXPECT_THAT(ranges("1,1", 7),
              ElementsAre(Range{0, 4}, Range{4, 7}, Range{7, 7}));
}

TEST(Split, PartsTheSequencesForAnyShares) {
  for (const char* split : {"1", "969,30,1", "1,1,1", "0,1,0", "0.7,0.2,0.1"}) {
    for (std::int64_t sequences = 0; sequences < 200; ++sequences) {
      const auto [train, validation, test] = ranges(split, sequences);
      EXPECT_EQ(train.begin, 0);
      EXPECT_EQ(train.end, validation.begin);
      EXPECT_EQ(validation.end, test.begin);
      EXPECT_EQ(test.end, sequences) << split;
      EXPECT_TRUE(train.size() >= 0 && validation.size() >= 0 &&
                  test.size() >= 0);
    }
  }
}

TEST(Split, RefusesWhatIsNoListOfShares) {
  for (const char* wrong :
       {"", "a", "1,,1", "1,1,1,1", "-1,2", "0,0", "1;2", "nan", "inf", "1,"}) {
    EXPECT_THROW(parse_split(wrong), UsageError) << wrong;
  }
}

TEST(Blend, IsPrefixesOrWeightsAndPrefixesInTurn) {
  EXPECT_THAT(parse_blend({"a", "b"}),
              ElementsAre(BlendSource{0, "a"}, BlendSource{0, "b"}));
  EXPECT_THAT(parse_blend({"0.3", "a", "7", "b"}),
              ElementsAre(BlendSource{0.3, "a"}, BlendSource{7, "b"}));
}

TEST(Blend, RefusesAMixtureOfBoth) {
  EXPECT_THROW(parse_blend({"0.3", "a", "b"}), UsageError);
  EXPECT_THROW(parse_blend({"0.3", "a", "b", "c"}), UsageError);
  EXPECT_THROW(parse_blend({"0.3"}), UsageError);
  EXPECT_THROW(parse_blend({"0", "a"}), UsageError);
  EXPECT_THROW(parse_blend({"-1", "a"}), UsageError);
}

}  // namespace
}  // namespace dure::data
