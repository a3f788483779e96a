#include "dure/base/progress.h"

#include <string>

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

// The lines of four updates, the third of which is printed. A test's standard
// error is no terminal here, because it is captured in a file.
std::string lines_of(Progress::Lines lines) {
  testing::internal::CaptureStderr();
  Progress progress("train", 4, 0, lines);
  progress.update(1, "one");
  progress.update(2, "two");
  progress.print(3, "three");
  progress.update(4, "four");
  progress.finish("end");
  return testing::internal::GetCapturedStderr();
}

TEST(Progress, PrintsWhatIsAskedForAndTheEnd) {
  EXPECT_EQ(lines_of(Progress::Lines::kAsked),
            "train   75.0 %  0 s left  three\ntrain  done in 0 s  end\n");
}

// The test takes less than ten seconds.
TEST(Progress, ByTimeIsSilentBetweenTheTimes) {
  EXPECT_EQ(lines_of(Progress::Lines::kByTime),
            lines_of(Progress::Lines::kAsked));
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
