#include "dure/data/tokenizer/normal_form.h"

#include <gtest/gtest.h>

namespace dure::data {
namespace {

TEST(NormalForm, ComposesAndDecomposes) {
  EXPECT_EQ(normal_form("e\xcc\x81 \xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab",
                        NormalForm::kC),
            "\xc3\xa9 \xed\x95\x9c");
  EXPECT_EQ(normal_form("\xc3\xa9 \xed\x95\x9c", NormalForm::kD),
            "e\xcc\x81 \xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab");
  EXPECT_EQ(normal_form("\xef\xac\x81\xe2\x91\xa0", NormalForm::kKC), "fi1");
  EXPECT_EQ(normal_form("\xef\xac\x81\xe2\x91\xa0", NormalForm::kC),
            "\xef\xac\x81\xe2\x91\xa0");
}

TEST(NormalForm, BringsMarksIntoOrder) {
  EXPECT_EQ(normal_form("xa\xcc\x88\xcc\xa3y", NormalForm::kD),
            "xa\xcc\xa3\xcc\x88y");
  EXPECT_EQ(normal_form("\xcc\x88\xcc\xa3", NormalForm::kC),
            "\xcc\xa3\xcc\x88");
}

// U+08D3 came with Unicode 11, which orders marks by it.
TEST(NormalForm, LeavesWhatCameAfterUnicode9) {
  const std::string text = "a\xcc\x81\xe0\xa3\x93\xcc\xa3";
  EXPECT_EQ(normal_form(text, NormalForm::kC), "\xc3\xa1\xe0\xa3\x93\xcc\xa3");
}

TEST(NormalForm, TakesLongTextsOfMarks) {
  std::string marks = "a";
  for (int i = 0; i < 20000; ++i) {
    marks += "\xcc\xa3";
  }
  EXPECT_EQ(normal_form(marks, NormalForm::kC).size(), marks.size());
}

}  // namespace
}  // namespace dure::data
