#include "dure/data/indexed_writer.h"

#include <fstream>
#include <gmock/gmock.h>
#include <signal.h>
#include <sstream>
#include <sys/resource.h>

#include <gtest/gtest.h>

#include "dure/data/test_files.h"

namespace dure::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The bytes that the drawing in indexed_writer.cpp shows after `mark`.
std::string drawn_bytes(const std::string& mark) {
  std::ifstream source("dure/data/indexed_writer.cpp");
  std::string bytes;
  bool inside = false;
  for (std::string line; std::getline(source, line);) {
    const auto at = line.find(mark);
    const bool starts = line.rfind("//   " + mark, 0) == 0;
    inside = starts || (inside && line.rfind("//         ", 0) == 0);
    if (!inside) {
      continue;
    }
    std::istringstream hex(line.substr(starts ? at + mark.size() : 2));
    for (std::string byte; hex >> byte;) {
      bytes.push_back(static_cast<char>(std::stoi(byte, nullptr, 16)));
    }
  }
  return bytes;
}

TEST(IndexedWriter, WritesTheDrawingAtTheTopOfItsSource) {
  const TestDirectory directory;
  write_dataset(directory / "x", {{1, 2, 3}, {258}});
  ASSERT_EQ(drawn_bytes(".bin").size(), 8U);
  ASSERT_EQ(drawn_bytes(".idx").size(), 34U + 2 * 12 + 3 * 8);
  EXPECT_EQ(read_file(directory / "x.bin"), drawn_bytes(".bin"));
  EXPECT_EQ(read_file(directory / "x.idx"), drawn_bytes(".idx"));
}

TEST(IndexedWriter, LeavesNothingWithoutACommit) {
  const TestDirectory directory;
  {
    IndexedDatasetWriter writer(directory / "x", TokenType::kU16);
    writer.add_sequence(std::vector<std::int32_t>{1, 2});
  }
  EXPECT_THAT(directory.names(), ElementsAre());
}

TEST(IndexedWriter, ReplacesAnOlderDataSet) {
  const TestDirectory directory;
  write_dataset(directory / "x", {{1}, {2}});
  write_dataset(directory / "x", {{3}});
  EXPECT_THAT(directory.names(), ElementsAre("x.bin", "x.idx"));
  EXPECT_EQ(IndexedDataset(directory / "x").sequences(), 1);
}

TEST(IndexedWriter, MergesInOrder) {
  const TestDirectory directory;
  write_dataset(directory / "a", {{1, 2}, {3}});
  write_dataset(directory / "b", {});
  write_dataset(directory / "c", {{4, 5, 6}});
  write_dataset(directory / "whole", {{1, 2}, {3}, {4, 5, 6}});
  IndexedDatasetWriter merged(directory / "merged", TokenType::kU16);
  for (const char* part : {"a", "b", "c"}) {
    merged.append(IndexedDataset(directory / part));
  }
  EXPECT_EQ(merged.documents(), 3);
  EXPECT_EQ(merged.tokens(), 6);
  merged.commit();
  for (const char* suffix : {".bin", ".idx"}) {
    EXPECT_EQ(read_file((directory / "merged") + suffix),
              read_file((directory / "whole") + suffix));
  }
}

TEST(IndexedWriter, RefusesToMergeTwoTypes) {
  const TestDirectory directory;
  write_dataset(directory / "a", {{1}}, TokenType::kI32);
  IndexedDatasetWriter merged(directory / "merged", TokenType::kU16);
  EXPECT_THAT(error_of([&] { merged.append(IndexedDataset(directory / "a")); }),
              HasSubstr("as i32"));
}

TEST(IndexedWriter, RefusesATokenThatItsTypeCannotHold) {
  std::vector<std::byte> bytes;
  for (std::int32_t token : {-1, 65536}) {
    EXPECT_THAT(error_of([&] {
                  encode_tokens(TokenType::kU16, std::span(&token, 1), bytes);
                }),
                HasSubstr("does not fit"));
  }
}

TEST(IndexedWriter, NamesADirectoryThatDoesNotExist) {
  EXPECT_THAT(error_of([] {
                IndexedDatasetWriter("/nowhere/at/all/x", TokenType::kU16);
              }),
              HasSubstr("can't create /nowhere/at/all/x.bin"));
  EXPECT_THAT(error_of([] { IndexedDatasetWriter("", TokenType::kU16); }),
              HasSubstr("wanted a prefix"));
}

// A limit on file sizes stands in for a full disk: write() fails the same way.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

TEST(IndexedWriter, AFullDiskIsOneErrorAndLeavesTheOldDataSet) {
  const TestDirectory directory;
  write_dataset(directory / "x", {{1}});
  {
    const FileSizeLimit limit(1 << 16);
    const TestDocuments large = {std::vector<std::int32_t>(1 << 20, 7)};
    EXPECT_THAT(error_of([&] { write_dataset(directory / "x", large); }),
                HasSubstr("can't write"));
  }
  EXPECT_THAT(directory.names(), ElementsAre("x.bin", "x.idx"));
  EXPECT_EQ(IndexedDataset(directory / "x").tokens(), 1);
}

}  // namespace
}  // namespace dure::data
