#include "dure/base/progress.h"

#include <gtest/gtest.h>

namespace dure {
namespace {

TEST(Fitted, LeavesPartsOutFromTheEnd) {
  const std::string line = "train   12.5 %  3 s left  step 5/40  loss 4.03";
  EXPECT_EQ(fitted(line, 80), line);
  EXPECT_EQ(fitted(line, 46), line);
  EXPECT_EQ(fitted(line, 45), "train   12.5 %  3 s left  step 5/40");
  EXPECT_EQ(fitted(line, 20), "train   12.5 %");
  EXPECT_EQ(fitted(line, 14), "train   12.5 %");
  EXPECT_EQ(fitted(line, 13), "train");
  EXPECT_EQ(fitted(line, 3), "tra");
}

TEST(Fitted, CountsCharactersAndCutsNone) {
  EXPECT_EQ(fitted("\u00e4\u00f6\u00fc", 3), "\u00e4\u00f6\u00fc");
  EXPECT_EQ(fitted("\u00e4\u00f6\u00fc", 2), "\u00e4\u00f6");
  EXPECT_EQ(fitted("\u00e4\u00f6\u00fc", 0), "");
}

TEST(RecentRate, IsOfTheWindowAlone) {
  RecentRate rate(10);
  EXPECT_EQ(rate.value(), 0);
  rate.add(100, 5);
  EXPECT_EQ(rate.value(), 20);
  rate.add(100, 5);
  rate.add(10, 5);  // the first is out
  EXPECT_EQ(rate.value(), 11);
  rate.add(10, 100);  // longer than the window by itself
  EXPECT_EQ(rate.value(), 0.1);
}

TEST(Text, OfNumbersAndTimesIsShort) {
  EXPECT_EQ(with_prefix(1234), "1.23 k");
  EXPECT_EQ(with_prefix(999.7), "1 k");
  EXPECT_EQ(duration_text(59.4), "59 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
}

}  // namespace
}  // namespace dure
