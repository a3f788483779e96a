#include "dure/data/preprocess/record_reader.h"

#include <algorithm>
#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/random.h"

namespace dure::data {
namespace {

using testing::ElementsAre;
using Records = std::vector<std::string>;

// Gives a few bytes at a time, as a slow pipe does.
class Dripping : public ByteSource {
 public:
  Dripping(std::string_view text, std::size_t most)
      : source_(text), most_(most) {}
  std::size_t read(std::span<char> bytes) override {
    return source_.read(bytes.first(std::min(bytes.size(), most_)));
  }
  std::uint64_t position() const override { return source_.position(); }

 private:
  MemorySource source_;
  std::size_t most_;
};

Records records_of(ByteSource& source, Cut cut, const std::string& separator) {
  RecordReader reader(source, cut, separator);
  Records records;
  std::string_view record;
  while (reader.next(record)) {
    records.emplace_back(record);
    EXPECT_EQ(reader.number(), std::ssize(records));
  }
  EXPECT_FALSE(reader.next(record));
  return records;
}

Records cut(std::string_view text, Cut how, const std::string& separator = "") {
  MemorySource source(text);
  return records_of(source, how, separator);
}

TEST(RecordReader, CutsLines) {
  EXPECT_THAT(cut("a\nbc\n\nd", Cut::kLine), ElementsAre("a", "bc", "", "d"));
  EXPECT_THAT(cut("a\n", Cut::kLine), ElementsAre("a"));
  EXPECT_THAT(cut("", Cut::kLine), ElementsAre());
}

TEST(RecordReader, EndsLinesAsEverySystemDoes) {
  EXPECT_THAT(cut("a\r\nbc\r\n\r\nd\r\n", Cut::kLine),
              ElementsAre("a", "bc", "", "d"));
  EXPECT_THAT(cut("a\rbc\r\rd", Cut::kLine), ElementsAre("a", "bc", "", "d"));
  EXPECT_THAT(cut("a\n\rb\r", Cut::kLine), ElementsAre("a", "", "b"));
  EXPECT_THAT(cut("a\r\n\r\nb\r\nc\r\r\td", Cut::kBlankLine),
              ElementsAre("a", "b\r\nc", "\td"));
  EXPECT_THAT(cut("a\r\r\rb", Cut::kBlankLine), ElementsAre("a", "b"));
}

TEST(RecordReader, CutsAtBlankLines) {
  EXPECT_THAT(cut("a\nb\n\nc\n \t\r\n\n\nd\n", Cut::kBlankLine),
              ElementsAre("a\nb", "c", "d"));
  EXPECT_THAT(cut("a\r\n\r\nb\r\n", Cut::kBlankLine), ElementsAre("a", "b"));
  EXPECT_THAT(cut("a\n\n", Cut::kBlankLine), ElementsAre("a"));
}

TEST(RecordReader, CutsAtASeparator) {
  EXPECT_THAT(cut("a<|>b<|<|>c<|", Cut::kSeparator, "<|>"),
              ElementsAre("a", "b<|", "c<|"));
  EXPECT_THROW(cut("a", Cut::kSeparator, ""), Error);
}

TEST(RecordReader, TakesAWholeFile) {
  EXPECT_THAT(cut("a\n\nb\n", Cut::kFile), ElementsAre("a\n\nb\n"));
  EXPECT_THAT(cut("", Cut::kFile), ElementsAre());
}

// The record is longer than its buffer, so it grows over many reads.
TEST(RecordReader, HoldsARecordLargerThanItsBuffer) {
  const std::string large(3'000'000, 'x');
  EXPECT_THAT(cut("a\n" + large + "\nb", Cut::kLine),
              ElementsAre("a", large, "b"));
}

TEST(RecordReader, GivesTheSameHoweverTheBytesArrive) {
  const std::string letters = "ab\n\n\n \r<>";
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    const RandomStream random(trial, "test");
    std::string text(random.below(40, 0), ' ');
    for (std::size_t i = 0; i < text.size(); ++i) {
      text[i] = letters[random.below(letters.size(), 1 + i)];
    }
    for (Cut how : {Cut::kLine, Cut::kBlankLine, Cut::kSeparator, Cut::kFile}) {
      const Records whole = cut(text, how, "<>");
      for (std::size_t most : {1, 2, 3, 7}) {
        Dripping source(text, most);
        EXPECT_EQ(records_of(source, how, "<>"), whole) << text;
      }
    }
  }
}

}  // namespace
}  // namespace dure::data
