#include "dure/report/markup.h"

#include <gtest/gtest.h>

#include "dure/report/well_formed.h"

namespace dure::report {
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
  EXPECT_EQ(escape("\xE2\x82"), bad + bad);            // broken off
  EXPECT_EQ(escape("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(escape("\xEF\xBF\xBF"), bad + bad + bad);  // no character
}

TEST(Table, IsWellFormedWhateverItsCellsSay) {
  const Table table = {.head = {"a\"", "</th>"},
                       .columns = {Column::kText},
                       .rows = {{"<script>", "1"}, {"&", "\xff"}}};
  const std::string html = folded("a & b", table);
  EXPECT_EQ(WellFormed(html).error(), "");
  EXPECT_EQ(html.find("<script>"), std::string::npos);
  EXPECT_NE(html.find("<td>&lt;script&gt;</td><td class=\"n\">1</td>"),
            std::string::npos);
}

TEST(WellFormed, SeesWhatIsNot) {
  EXPECT_EQ(WellFormed("<a><b x=\"1\"/>t</a>").error(), "");
  for (const char* wrong : {"<a>",
                            "</a>",
                            "<a></b>",
                            "<a x=1/>",
                            "a & b",
                            "<a x=\"<\"/>",
                            "<a x=\"1\" x=\"1\"/>",
                            "<>"}) {
    EXPECT_NE(WellFormed(wrong).error(), "") << wrong;
  }
}

}  // namespace
}  // namespace dure::report
