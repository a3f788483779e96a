#include "dure/base/process.h"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/files.h"

namespace dure {
namespace {

// Each test runs in a process of its own, as a death test.
struct ProcessDeathTest : testing::Test {
  ProcessDeathTest() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

[[noreturn]] void end(bool right) {
  ::_exit(right ? 0 : 1);
}

void write_with_output_closed() {
  ::close(STDOUT_FILENO);
  prepare_process();
  const int file = ::open("/dev/null", O_WRONLY);
  const bool failed = ::write(STDOUT_FILENO, "x", 1) < 0 && errno == EBADF;
  end(file > STDERR_FILENO && failed);
}

TEST_F(ProcessDeathTest, KeepsTheNumberOfAClosedOutputFree) {
  EXPECT_EXIT(write_with_output_closed(), testing::ExitedWithCode(0), "");
}

void write_where_nobody_reads() {
  prepare_process();
  int ends[2];
  end(::pipe(ends) == 0 && ::close(ends[0]) == 0 &&
      ::write(ends[1], "x", 1) < 0 && errno == EPIPE);
}

TEST_F(ProcessDeathTest, MakesAPipeWithoutAReaderAnError) {
  EXPECT_EXIT(write_where_nobody_reads(), testing::ExitedWithCode(0), "");
}

void read_what_was_cut(const Path& path) {
  prepare_process();
  write_file_atomically(path, std::string(100'000, 'x'));
  const MappedFile file(path);
  std::filesystem::resize_file(path, 10);
  volatile char last = file.text().back();
  static_cast<void>(last);
}

TEST_F(ProcessDeathTest, NamesTheMappedFileThatWasCutShort) {
  const Path path = std::filesystem::temp_directory_path() /
                    ("cut\033_" + std::to_string(::getpid()));
  EXPECT_EXIT(read_what_was_cut(path),
              testing::ExitedWithCode(1),
              "error: .*/cut\\?_.*: was cut short");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace dure
