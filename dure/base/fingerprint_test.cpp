#include "dure/base/fingerprint.h"

#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure {
namespace {

class Fingerprint : public testing::Test {
 protected:
  Fingerprint() { make_directories(folder_); }
  ~Fingerprint() override { std::filesystem::remove_all(folder_); }

  std::uint64_t of_file(const std::string& text) const {
    write_file_atomically(folder_ / "file", text);
    return fingerprint_of_file(folder_ / "file");
  }

  const Path folder_ = std::filesystem::temp_directory_path() /
                       ("dure_fingerprint_" + std::to_string(::getpid()));
};

TEST_F(Fingerprint, OfAFileIsOfEveryByteAndTheSize) {
  const std::string text(200'000, 'x');
  EXPECT_EQ(of_file(text), of_file(text));
  for (const std::size_t at : {0, 65'536, 199'999}) {
    std::string other = text;
    other[at] = 'y';
    EXPECT_NE(of_file(text), of_file(other)) << at;
  }
  EXPECT_NE(of_file(text), of_file(text + "x"));
  EXPECT_NE(of_file(""), of_file("x"));
  EXPECT_THROW(fingerprint_of_file(folder_ / "none"), Error);
}

// The file is sparse. Some of its blocks are read, the ends among them.
TEST_F(Fingerprint, OfALargeFileIsOfItsEnds) {
  const Path file = folder_ / "large";
  write_file_atomically(file, "x");
  std::filesystem::resize_file(file, 100 << 20);
  const std::uint64_t before = fingerprint_of_file(file);
  std::filesystem::resize_file(file, (100 << 20) - 1);
  EXPECT_NE(fingerprint_of_file(file), before);
  write_file_atomically(file, "y");
  std::filesystem::resize_file(file, 100 << 20);
  EXPECT_NE(fingerprint_of_file(file), before);
}

TEST_F(Fingerprint, OfAFolderIsOfNamesSizesAndSmallFiles) {
  EXPECT_EQ(fingerprint_of_folder(folder_ / "none"), 0U);
  write_file_atomically(folder_ / "a", "1");
  const std::uint64_t one = fingerprint_of_folder(folder_);
  write_file_atomically(folder_ / "a", "2");
  EXPECT_NE(fingerprint_of_folder(folder_), one);
  write_file_atomically(folder_ / "a", "1");
  EXPECT_EQ(fingerprint_of_folder(folder_), one);
  write_file_atomically(folder_ / "b", "");
  EXPECT_NE(fingerprint_of_folder(folder_), one);
}

}  // namespace
}  // namespace dure
