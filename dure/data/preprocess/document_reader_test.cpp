#include "dure/data/preprocess/document_reader.h"

#include <fmt/core.h>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <thread>
#include <zlib.h>

#include <gtest/gtest.h>

#include "dure/data/test_files.h"

namespace dure::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string gzip(const std::string& text) {
  const TestDirectory directory;
  const std::string path = directory / "x.gz";
  gzFile file = ::gzopen(path.c_str(), "wb");
  ::gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  ::gzclose(file);
  return read_file(path);
}

struct DocumentReaderTest : testing::Test {
  TestDirectory directory;

  std::string file(const std::string& name, const std::string& bytes) const {
    write_file_atomically(directory / name, bytes);
    return directory / name;
  }
  static std::vector<std::string> documents(const DocumentOptions& options) {
    DocumentReader reader(options);
    std::vector<std::string> all;
    std::string_view text;
    while (reader.next(text)) {
      all.emplace_back(text);
    }
    EXPECT_EQ(reader.input_bytes(), reader.total_bytes());
    return all;
  }
  static std::string error(const DocumentOptions& options) {
    return error_of([&] { documents(options); });
  }
};

const char* const kTwo = "{\"text\": \"one\"}\n\n{\"text\": \"two\"}\n";

TEST_F(DocumentReaderTest, ReadsFilesOneAfterAnother) {
  EXPECT_THAT(documents({.files = {file("a.jsonl", kTwo),
                                   file("empty.txt", ""),
                                   file("b.txt", "three\n"),
                                   file("c.jsonl", "{\"text\":\"four\"}")}}),
              ElementsAre("one", "two", "three\n", "four"));
}

TEST_F(DocumentReaderTest, ReadsGzipWhateverItsName) {
  EXPECT_THAT(documents({.files = {file("a.jsonl.gz", gzip(kTwo)),
                                   file("b.txt", gzip("three"))}}),
              ElementsAre("one", "two", "three"));
  // One file has two members, like concatenated archives.
  EXPECT_THAT(
      documents({.files = {file("c.jsonl.gz", gzip(kTwo) + gzip(kTwo))}}),
      ElementsAre("one", "two", "one", "two"));
}

TEST_F(DocumentReaderTest, PassesAByteOrderMarkOver) {
  EXPECT_THAT(documents({.files = {file("a.jsonl",
                                        "\xEF\xBB\xBF" + std::string(kTwo))}}),
              ElementsAre("one", "two"));
}

TEST_F(DocumentReaderTest, KnowsJsonByItsFirstCharacter) {
  EXPECT_THAT(documents({.files = {file("a", kTwo), file("b", " three")}}),
              ElementsAre("one", "two", " three"));
  EXPECT_THAT(documents({.files = {file("c.txt", "{not json")}}),
              ElementsAre("{not json"));
  EXPECT_THAT(documents({.files = {file("d.txt", kTwo)},
                         .format = TextFormat::kJsonLines}),
              ElementsAre("one", "two"));
  EXPECT_THAT(documents({.files = {file("e.jsonl", "{\n\n}")},
                         .format = TextFormat::kText,
                         .cut = Cut::kBlankLine}),
              ElementsAre("{", "}"));
}

TEST_F(DocumentReaderTest, LooksBehindWhatWrapsTheText) {
  const std::string mark = "\xEF\xBB\xBF";
  EXPECT_THAT(documents({.files = {file("corpus.dat", mark + kTwo),
                                   file("b.dat", gzip(mark + kTwo)),
                                   file("c.TXT.GZ", gzip("{three")),
                                   file("d.jsonl.zst", kTwo)}}),
              ElementsAre("one", "two", "one", "two", "{three", "one", "two"));
}

TEST_F(DocumentReaderTest, EndsLinesAsEverySystemDoes) {
  for (const char* text : {"{\"text\": \"one\"}\r\n\r\n{\"text\": \"two\"}\r\n",
                           "{\"text\": \"one\"}\r{\"text\": \"two\"}\r"}) {
    EXPECT_THAT(documents({.files = {file("a.jsonl", text)}}),
                ElementsAre("one", "two"));
  }
  EXPECT_THAT(documents({.files = {file("b.txt", "one\r\ntwo\rthree")},
                         .cut = Cut::kLine}),
              ElementsAre("one", "two", "three"));
}

TEST_F(DocumentReaderTest, RefusesAnArrayOfObjects) {
  const std::string array = "[\n  {\"text\": \"one\"}]";
  for (const char* name : {"a.jsonl", "a.json", "a.dat"}) {
    EXPECT_THAT(error({.files = {file(name, array)}}),
                HasSubstr("is one JSON array; wanted JSON Lines"));
  }
  EXPECT_THAT(
      documents({.files = {file("a.dat", array)}, .format = TextFormat::kText}),
      ElementsAre(array));
  EXPECT_THAT(documents({.files = {file("b.dat", "[1] {note}")}}),
              ElementsAre("[1] {note}"));
}

// A pipe can only be read once.
TEST_F(DocumentReaderTest, ReadsAPipeOnceFromItsFirstByte) {
  const std::string path = directory / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::string text;
  std::vector<std::string> lines;
  for (int i = 0; i < 100'000; ++i) {
    lines.push_back(fmt::format("line {}", i));
    text += lines.back() + "\n";
  }
  const std::jthread writer(
      [&] { std::ofstream(path, std::ios::binary) << text; });
  DocumentReader reader({.files = {path}, .cut = Cut::kLine});
  std::string_view line;
  for (const std::string& expected : lines) {
    ASSERT_TRUE(reader.next(line));
    ASSERT_EQ(line, expected);
  }
  EXPECT_FALSE(reader.next(line));
}

TEST_F(DocumentReaderTest, NamesFileAndLineOfABadLine) {
  EXPECT_THAT(error({.files = {file("a.jsonl", std::string(kTwo) + "{\"te")}}),
              HasSubstr("a.jsonl:4: not valid JSON"));
  EXPECT_THAT(error({.files = {file("b.jsonl", "\n\n{\"body\": \"x\"}")}}),
              HasSubstr("b.jsonl:3: the object has no key \"text\""));
}

TEST_F(DocumentReaderTest, NamesADamagedOrMissingFile) {
  std::string text;
  for (int i = 0; i < 20000; ++i) {
    text += fmt::format("{{\"text\": \"{}\"}}\n", i * 7919 % 10007);
  }
  const std::string packed = gzip(text);
  for (std::size_t size : {packed.size() / 2, packed.size() - 1}) {
    EXPECT_THAT(error({.files = {file("a.jsonl.gz", packed.substr(0, size))}}),
                HasSubstr("a.jsonl.gz: the gzip data ends too early"))
        << size;
  }
  std::string damaged = packed;
  damaged[packed.size() / 2] ^= 0x55;
  EXPECT_THAT(error({.files = {file("b.jsonl.gz", damaged)}}),
              HasSubstr("b.jsonl.gz: the gzip data is damaged"));
  EXPECT_THAT(error({.files = {directory / "none.txt"}}),
              HasSubstr("there is no "));
  EXPECT_THAT(error({.files = {directory.path().string()}}),
              HasSubstr("is a directory"));
}

TEST_F(DocumentReaderTest, GivesBatchesOfWholeRecords) {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += fmt::format("document {}\n", i);
  }
  BatchReader reader({.files = {file("a.txt", text)}, .cut = Cut::kLine});
  DocumentBatch batch;
  std::string again;
  int batches = 0;
  while (reader.next(batch, 500)) {
    EXPECT_LT(batch.bytes.size(), 500U + 13 + JsonText::kPadding);
    for (std::size_t i = 0; i < batch.records.size(); ++i) {
      again.append(batch.record(i)).append("\n");
    }
    ++batches;
  }
  EXPECT_EQ(again, text);
  EXPECT_GT(batches, 20);
}

}  // namespace
}  // namespace dure::data
