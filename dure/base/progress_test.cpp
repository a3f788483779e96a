#include "dure/base/progress.h"

#include <string>

#include <gtest/gtest.h>

namespace dure {
namespace {

// What comes of four updates, the third of which is printed. A test's standard
// error is no terminal here: it is captured in a file.
std::string lines_of(Progress::Lines lines) {
  testing::internal::CaptureStderr();
  Progress progress("train", 4, lines);
  progress.update(1, "one");
  progress.update(2, "two");
  progress.print(3, "three");
  progress.update(4, "four");
  progress.finish("end");
  return testing::internal::GetCapturedStderr();
}

TEST(Progress, PrintsWhatIsAskedForAndTheEnd) {
  EXPECT_EQ(lines_of(Progress::Lines::kAsked),
            "train   75.0 %  three  0 s left\ntrain  done in 0 s  end\n");
}

// Ten seconds have not passed.
TEST(Progress, ByTimeIsSilentBetweenTheTimes) {
  EXPECT_EQ(lines_of(Progress::Lines::kByTime),
            lines_of(Progress::Lines::kAsked));
}

TEST(Progress, TextsAreShort) {
  EXPECT_EQ(with_prefix(999.4), "999");
  EXPECT_EQ(with_prefix(999.5), "1 k");
  EXPECT_EQ(with_prefix(2.039e12), "2.04 T");
  EXPECT_EQ(duration_text(59.4), "59 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
  EXPECT_EQ(first_characters("두레 abc", 4), "두레 a");
}

}  // namespace
}  // namespace dure
