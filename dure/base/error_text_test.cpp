#include "dure/base/error_text.h"

#include <filesystem>
#include <new>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure {
namespace {

TEST(ErrorText, IsOurOwnAsItIs) {
  EXPECT_EQ(message_of(Error("wanted 3, got 4")), "wanted 3, got 4");
}

TEST(ErrorText, SaysWhatTheLibraryMeans) {
  const std::string name(300, 'x');
  try {
    static_cast<void>(std::filesystem::exists(name));
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_EQ(message_of(error), "can't use " + name + ": File name too long");
  }
  EXPECT_TRUE(
      message_of(std::bad_alloc()).starts_with("out of memory: there is "));
}

}  // namespace
}  // namespace dure
