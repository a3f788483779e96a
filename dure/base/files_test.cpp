#include "dure/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure {
namespace {

struct Files : testing::Test {
  Path directory = std::filesystem::temp_directory_path() /
                   ("dure_files_" + std::to_string(::getpid()));
  void SetUp() override { make_directories(directory); }
  void TearDown() override { std::filesystem::remove_all(directory); }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory), {}));
  }
};

TEST_F(Files, AnAtomicFileAppearsOnlyAtCommit) {
  const Path path = directory / "a";
  AtomicFile file(path);
  file.write("hello");
  file.write_at(0, "J", 1);
  EXPECT_FALSE(std::filesystem::exists(path));
  file.commit();
  EXPECT_EQ(read_file(path), "Jello");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, AnAbandonedFileLeavesTheOldOneAndNoOther) {
  const Path path = directory / "a";
  write_file_atomically(path, "old");
  { AtomicFile(path).write("new"); }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, AMapHoldsTheFile) {
  write_file_atomically(directory / "a", "text");
  EXPECT_EQ(MappedFile(directory / "a").text(), "text");
  write_file_atomically(directory / "empty", "");
  EXPECT_TRUE(MappedFile(directory / "empty").bytes().empty());
}

TEST_F(Files, ALinkStaysOne) {
  std::filesystem::create_directory(directory / "inner");
  std::filesystem::create_symlink("inner/target", directory / "second");
  std::filesystem::create_symlink("second", directory / "first");
  for (const char* text : {"new", "newer"}) {  // not there yet, and there
    write_file_atomically(directory / "first", text);
    EXPECT_TRUE(std::filesystem::is_symlink(directory / "second"));
    EXPECT_EQ(read_file(directory / "inner" / "target"), text);
  }
  std::filesystem::create_symlink("loop", directory / "loop");
  EXPECT_THROW(AtomicFile(directory / "loop"), Error);
}

TEST_F(Files, AReplacedFileKeepsItsMode) {
  using std::filesystem::perms;
  write_file_atomically(directory / "a", "old");
  const auto mode = perms::owner_read | perms::owner_write | perms::group_read;
  std::filesystem::permissions(directory / "a", mode);
  write_file_atomically(directory / "a", "new");
  EXPECT_EQ(std::filesystem::status(directory / "a").permissions(), mode);
}

TEST_F(Files, APipeIsWrittenFromFrontToEnd) {
  const Path pipe = directory / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = read_file(pipe); });
  {
    AtomicFile file(pipe);
    file.write("front ");
    EXPECT_THROW(file.write_at(0, "F", 1), Error);
    file.write("end");
    file.commit();
  }
  reader.join();
  EXPECT_EQ(got, "front end");
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
}

TEST_F(Files, ANumberOfADescriptorIsThatOne) {
  const int file = ::open((directory / "a").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(::write(file, "before ", 7), 7);
  write_file_atomically("/dev/fd/" + std::to_string(file), "after");
  ASSERT_EQ(::write(file, " it", 3), 3);
  ::close(file);
  EXPECT_EQ(read_file(directory / "a"), "before after it");
}

TEST_F(Files, WhatIsReadWholeHasABound) {
  write_file_atomically(directory / "a", "12345");
  EXPECT_EQ(read_file(directory / "a", 5), "12345");
  EXPECT_THROW(read_file(directory / "a", 4), Error);
  EXPECT_THROW(read_file("/dev/zero", 1 << 20), Error);
}

// Opening a pipe would wait for its writer.
TEST_F(Files, WhatMustBeAFileIsNoPipe) {
  ASSERT_EQ(::mkfifo((directory / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(read_regular_file(directory / "pipe"), Error);
  EXPECT_THROW(read_regular_file("/dev/zero"), Error);
  EXPECT_THROW(MappedFile(directory / "pipe"), Error);
}

TEST_F(Files, AMapKnowsWhetherItsFileChanged) {
  const Path path = directory / "a";
  write_file_atomically(path, "12345");
  const MappedFile file(path);
  file.expect_unchanged();
  std::filesystem::resize_file(path, 3);
  EXPECT_THROW(file.expect_unchanged(), Error);
  std::filesystem::resize_file(path, 5);
  write_file_atomically(path, "another file");
  file.expect_unchanged();
  std::filesystem::remove(path);
  file.expect_unchanged();
}

TEST_F(Files, ErrorsNameThePath) {
  try {
    read_file(directory / "absent");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("absent"), std::string::npos);
  }
  EXPECT_THROW(MappedFile{directory}, Error);
  EXPECT_THROW(AtomicFile{directory}, Error);
  EXPECT_THROW(AtomicFile{""}, Error);
  EXPECT_THROW(make_directories(""), Error);
  EXPECT_THROW(AtomicFile(directory / "no" / "where"), Error);
  EXPECT_THROW(write_file_atomically("/dev/full/x", ""), Error);
}

}  // namespace
}  // namespace dure
