#include "dure/base/quote.h"

#include <iomanip>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace dure {
namespace {

TEST(Quoted, ShowsPlainTextAsItIs) {
  EXPECT_EQ(quoted(""), "\"\"");
  EXPECT_EQ(quoted("layer 3"), "\"layer 3\"");
  EXPECT_EQ(quoted("caf\u00e9 \u6587 \U0001f600"),
            "\"caf\u00e9 \u6587 \U0001f600\"");
}

TEST(Quoted, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(quoted("\x1b[2J\x07\x7f"), "\"\\x1b[2J\\x07\\x7f\"");
  EXPECT_EQ(quoted("\xc2\x9b"
                   "31m"),
            "\"\\xc2\\x9b31m\"");  // C1's CSI
  EXPECT_EQ(quoted("a\nerror: b\r\t"), "\"a\\nerror: b\\r\\t\"");
  EXPECT_EQ(quoted("a\"b\\"), "\"a\\\"b\\\\\"");
  EXPECT_EQ(quoted(std::string_view("\0", 1)), "\"\\x00\"");
}

TEST(Quoted, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(quoted("\xff\x80"), "\"\\xff\\x80\"");
  EXPECT_EQ(quoted("\xc0\x80"), "\"\\xc0\\x80\"");           // overlong
  EXPECT_EQ(quoted("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");  // a surrogate
  EXPECT_EQ(quoted("\xe6\x96"), "\"\\xe6\\x96\"");           // cut short
}

TEST(Quoted, IsNotTheStandardLibrarysWhateverItIsGiven) {
  std::string text = "a\n";
  const std::string same = text;
  std::ostringstream out;
  out << std::setw(0) << quoted(text) << quoted(same)
      << quoted(std::string("a\n"));
  EXPECT_EQ(out.str(), R"("a\n""a\n""a\n")");
}

TEST(Quoted, CutsALongText) {
  EXPECT_EQ(quoted("abcdef", 3), "\"abc...\"");
  EXPECT_EQ(quoted("abc", 3), "\"abc\"");
}

TEST(Printable, KeepsLinesAndQuotes) {
  EXPECT_EQ(printable("a \"b\"\n\tc\\d"), "a \"b\"\n\tc\\d");
  EXPECT_EQ(printable("\x1b[31m\r"), "\\x1b[31m\\r");
}

TEST(Quote, ShowsAPlainNameAsItIs) {
  EXPECT_EQ(shown_name("model.layers.0.q_proj/w:0"),
            "model.layers.0.q_proj/w:0");
  EXPECT_EQ(shown_name("two words"), "\"two words\"");
  EXPECT_EQ(shown_name("a\nerror: b"), "\"a\\nerror: b\"");
  EXPECT_EQ(shown_name(""), "\"\"");
}

}  // namespace
}  // namespace dure
