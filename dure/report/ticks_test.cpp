#include "dure/report/ticks.h"

#include <gmock/gmock.h>
#include <limits>

#include <gtest/gtest.h>

namespace dure::report {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;

TEST(Ticks, AreRoundNumbers) {
  EXPECT_THAT(ticks(0, 10, 6), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(ticks(3.9, 8.4, 6), ElementsAre(4, 5, 6, 7, 8));
  EXPECT_THAT(ticks(-1, 1, 5), ElementsAre(-1, -0.5, 0, 0.5, 1));
  EXPECT_THAT(ticks(0, 400, 5), ElementsAre(0, 100, 200, 300, 400));
  EXPECT_THAT(ticks(0, 2e-3, 5),
              ElementsAre(0,
                          DoubleEq(0.5e-3),
                          DoubleEq(1e-3),
                          DoubleEq(1.5e-3),
                          DoubleEq(2e-3)));
}

TEST(Ticks, AreFewAndWithin) {
  for (const double low : {-1e300, -7.3, 0.0, 1e-12, 123456.0}) {
    for (const double width : {1e-9, 0.37, 1.0, 99.0, 1e12, 1e299}) {
      const double high = low + width;
      if (!(low < high)) {
        continue;
      }
      const auto marks = ticks(low, high, 6);
      EXPECT_LE(marks.size(), 6) << low << " " << width;
      for (const double mark : marks) {
        EXPECT_GE(mark, low - 1e-6 * width);
        EXPECT_LE(mark, high + 1e-6 * width);
      }
    }
  }
}

TEST(LogTicks, ArePowersOfTen) {
  EXPECT_THAT(log_ticks(0.05, 200, 6), ElementsAre(0.1, 1, 10, 100));
  EXPECT_THAT(log_ticks(1e-10, 1e10, 6).size(), ::testing::Le(6));
  EXPECT_THAT(log_ticks(2, 8, 4), ElementsAre(2, 4, 6, 8));
}

TEST(Texts, AreShort) {
  EXPECT_EQ(short_text(0.0005), "0.0005");
  EXPECT_EQ(short_text(9999), "9999");
  EXPECT_EQ(short_text(12500), "12.5 k");
  EXPECT_EQ(short_text(-1.25e6), "-1.25 M");
  EXPECT_EQ(short_text(std::numeric_limits<double>::quiet_NaN()), "none");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(124439808), "124,439,808");
  EXPECT_EQ(bytes_text(512), "512 B");
  EXPECT_EQ(bytes_text(1.5 * 1024 * 1024), "1.50 MiB");
  EXPECT_EQ(bytes_text(200 * 1024.0), "200 KiB");
  EXPECT_EQ(seconds_text(0.0015), "1.5 ms");
  EXPECT_EQ(seconds_text(12.34), "12.3 s");
  EXPECT_EQ(seconds_text(200), "3 min 20 s");
  EXPECT_EQ(seconds_text(7325), "2 h 02 min");
  EXPECT_EQ(percent_text(0.125), "12.5 %");
}

}  // namespace
}  // namespace dure::report
