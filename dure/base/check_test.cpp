#include "dure/base/check.h"

#include <gtest/gtest.h>

namespace dure {
namespace {

TEST(Check, SaysWhatCameAndWhere) {
  try {
    DURE_CHECK(1 > 2, "wanted ", 2, ", got ", 1);
    FAIL();
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("wanted 2, got 1"), std::string::npos);
    EXPECT_NE(text.find("check_test.cpp"), std::string::npos);
  }
}

}  // namespace
}  // namespace dure
