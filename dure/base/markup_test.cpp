#include "dure/base/markup.h"

#include <gtest/gtest.h>

namespace dure {
namespace {

TEST(Escape, LeavesNothingThatIsMarkup) {
  EXPECT_EQ(escape("a<b> & \"c\""), "a&lt;b&gt; &amp; &quot;c&quot;");
  EXPECT_EQ(escape("두레\n"), "두레\n");
}

TEST(Escape, ReplacesWhatIsNotText) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(escape(std::string("a\0b", 3)), "a" + bad + "b");
  EXPECT_EQ(escape("\x1B[1m"), bad + "[1m");
  EXPECT_EQ(escape("\xff<"), bad + "&lt;");
  EXPECT_EQ(escape("\xC0\xAF"), bad + bad);            // overlong
  EXPECT_EQ(escape("\xED\xA0\x80"), bad + bad + bad);  // half a pair
  EXPECT_EQ(escape("\xE2\x82"), bad);                  // broken off
  EXPECT_EQ(escape("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(escape("\xEF\xBF\xBF"), bad);  // no character
}

}  // namespace
}  // namespace dure
