#include "dure/base/lock.h"

#include <gmock/gmock.h>
#include <optional>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure {
namespace {

struct Lock : testing::Test {
  Path folder = std::filesystem::temp_directory_path() /
                ("dure_lock_" + std::to_string(::getpid()));
  void SetUp() override { make_directories(folder); }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string refusal() const {
    try {
      const DirectoryLock second(folder);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(Lock, TheSecondIsRefusedByName) {
  std::optional<DirectoryLock> first(std::in_place, folder);
  EXPECT_THAT(refusal(),
              testing::AllOf(testing::HasSubstr(
                                 folder.string() + " is in use by process " +
                                 std::to_string(::getpid()) + " on "),
                             testing::HasSubstr("since 2")));
  first.reset();
  EXPECT_EQ(refusal(), "");
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(Lock, EndsWithItsProcessHoweverThatEnds) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const DirectoryLock lock(folder);
    static_cast<void>(::write(ready[1], "x", 1));
    ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(refusal(), testing::HasSubstr(std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(refusal(), "");
}

TEST_F(Lock, SaysWhereNoFileCanBeMade) {
  EXPECT_THROW(DirectoryLock(folder / "absent"), Error);
}

}  // namespace
}  // namespace dure
