#include "dure/base/check.h"

#include <gtest/gtest.h>

namespace dure {
namespace {

TEST(Check, SaysWhatCame) {
  try {
    DURE_CHECK(1 > 2, "wanted {}, got {}", 2, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "wanted 2, got 1");
  }
}

}  // namespace
}  // namespace dure
