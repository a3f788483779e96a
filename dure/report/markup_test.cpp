#include "dure/report/markup.h"

#include <gtest/gtest.h>

#include "dure/report/well_formed.h"

namespace dure::report {
namespace {

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
