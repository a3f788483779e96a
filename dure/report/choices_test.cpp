#include "dure/report/choices.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/report/page_style.h"
#include "dure/report/well_formed.h"

namespace dure::report {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(Offer, IsOfHalfLivesThatTheCurveIsLongFor) {
  EXPECT_THAT(offer_of({}, 39).half_lives, IsEmpty());
  EXPECT_THAT(offer_of({}, 40).half_lives, ElementsAre(10));
  EXPECT_THAT(offer_of({}, 400).half_lives, ElementsAre(10, 100));
  EXPECT_EQ(offer_of({}, 400).chosen, 0U);
}

TEST(Offer, HasWhatWasAskedFor) {
  const Offer between = offer_of({.smooth = 25}, 400);
  EXPECT_THAT(between.half_lives, ElementsAre(10, 25, 100));
  EXPECT_EQ(between.chosen, 2U);
  const Offer usual = offer_of({.smooth = 100}, 400);
  EXPECT_THAT(usual.half_lives, ElementsAre(10, 100));
  EXPECT_EQ(usual.chosen, 2U);
  const Offer alone = offer_of({.smooth = 0.5}, 1);
  EXPECT_THAT(alone.half_lives, ElementsAre(0.5));
  EXPECT_EQ(alone.chosen, 1U);
  EXPECT_EQ(offer_of({.smooth = 0}, 400).chosen, 0U);
}

std::size_t checked(const std::string& html, const std::string& style) {
  const std::size_t at = html.find("class=\"" + style + "\"");
  const std::size_t end = html.find("/>", at);
  return html.substr(at, end - at).find("checked=\"checked\"") !=
         std::string::npos;
}

TEST(Buttons, AreSetAsTheCommandSays) {
  const std::string plain = to_html(offer_of({}, 400), "x");
  EXPECT_EQ(WellFormed(plain).error(), "");
  EXPECT_TRUE(checked(plain, "as-linear"));
  EXPECT_TRUE(checked(plain, "as-raw"));
  EXPECT_FALSE(checked(plain, "as-k1"));
  const std::string other =
      to_html(offer_of({.scale = Shown::kLog, .smooth = 100}, 400), "x");
  EXPECT_TRUE(checked(other, "as-log"));
  EXPECT_FALSE(checked(other, "as-linear"));
  EXPECT_TRUE(checked(other, "as-k2"));
  EXPECT_FALSE(checked(other, "as-raw"));
  EXPECT_THAT(to_html(offer_of({}, 5), "x"), Not(HasSubstr("Smoothed")));
}

// The offer is as large as it can be.
TEST(Buttons, AreThoseThatTheStyleSheetKnows) {
  const Offer offer = offer_of({.smooth = 25}, 400);
  ASSERT_EQ(offer.half_lives.size(), kMostHalfLives);
  const std::string html = to_html(offer, "x");
  const std::string sheet = kStyle;
  for (const char* style : {"as-log", "as-k1", "as-k2", "as-k3"}) {
    EXPECT_THAT(html, HasSubstr(std::string("class=\"") + style + "\""));
    EXPECT_THAT(sheet,
                HasSubstr(std::string(".") + style + ":checked ~ .charts"));
  }
}

TEST(Smoothed, TakesASpikeAsTheLimitOfTheAxis) {
  std::vector<Point> points;
  for (int i = 0; i < 100; ++i) {
    points.push_back({.x = static_cast<double>(i), .y = 3 - 0.01 * i});
  }
  points[50].y = 1e9;
  const auto curves = smoothed(offer_of({.smooth = 10}, 100), points);
  ASSERT_EQ(curves.size(), 1U);
  for (const Point& point : curves[0]) {
    EXPECT_LE(point.y, 3);
  }
}

}  // namespace
}  // namespace dure::report
