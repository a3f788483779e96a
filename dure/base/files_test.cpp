#include "dure/base/files.h"

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

TEST_F(Files, ErrorsNameThePath) {
  try {
    read_file(directory / "absent");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("absent"), std::string::npos);
  }
  EXPECT_THROW(MappedFile{directory}, Error);
  EXPECT_THROW(AtomicFile(directory / "no" / "where"), Error);
  EXPECT_THROW(write_file_atomically("/dev/full/x", ""), Error);
}

}  // namespace
}  // namespace dure
