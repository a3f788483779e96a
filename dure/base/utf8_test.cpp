#include "dure/base/utf8.h"

#include <gtest/gtest.h>

#include "dure/base/random.h"

namespace dure {
namespace {

// The results of Python's bytes.decode("utf-8", "replace").
TEST(Utf8, EachMaximalBrokenPartBecomesOneReplacement) {
  const std::string r = "\xef\xbf\xbd";
  EXPECT_EQ(RepairedText("a\xf0\x9f\x98z").text(), "a" + r + "z");
  EXPECT_EQ(RepairedText("\xc0\xaf").text(), r + r);
  EXPECT_EQ(RepairedText("\xed\xa0\x80").text(), r + r + r);  // a surrogate
  EXPECT_EQ(RepairedText("\xf4\x90\x80\x80").text(), r + r + r + r);
  EXPECT_EQ(RepairedText("\xe2\x82\xe2\x82\xac").text(), r + "\xe2\x82\xac");
  EXPECT_EQ(RepairedText("\xff").text(), r);
}

TEST(Utf8, TheValidPrefixEndsAtTheFirstBrokenByte) {
  EXPECT_EQ(valid_utf8_prefix(""), 0U);
  EXPECT_EQ(valid_utf8_prefix("plain ascii text"), 16U);
  EXPECT_EQ(valid_utf8_prefix("\xed\x95\x9c\xf0\x9f\x98\x80\xc3\xa9"), 9U);
  EXPECT_EQ(valid_utf8_prefix("sixteen bytes ok\xc3"), 16U);
  EXPECT_EQ(valid_utf8_prefix("\xe0\x80\x80"), 0U);
}

TEST(Utf8, OffsetsComeBackToTheOriginal) {
  const std::string broken =
      "a\xff"
      "b\xe2\x82"
      "c\xf0\x9f\x98";
  const RepairedText repaired(broken);
  ASSERT_EQ(repaired.text().size(), 12U);
  RepairedText::Cursor cursor(repaired);
  EXPECT_EQ(cursor.original(1), 1U);
  EXPECT_EQ(cursor.original(4), 2U);
  EXPECT_EQ(cursor.original(5), 3U);
  EXPECT_EQ(cursor.original(8), 5U);
  EXPECT_EQ(cursor.original(9), 6U);
  EXPECT_EQ(cursor.original(12), 9U);
}

TEST(Utf8, TheRepairedTextIsValid) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const RandomStream random(seed, "text");
    std::string text;
    for (std::size_t i = 0; i < 40; ++i) {
      // The text has bytes of every kind: plain, leading and following ones.
      text += "ab\x80\xbf\xc3\xe2\xed\xf0\xf4\xff"[random.below(10, i)];
    }
    const RepairedText repaired(text);
    EXPECT_EQ(valid_utf8_prefix(repaired.text()), repaired.text().size());
  }
}

}  // namespace
}  // namespace dure
