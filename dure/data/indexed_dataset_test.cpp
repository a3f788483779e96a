#include "dure/data/indexed_dataset.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/data/indexed_writer.h"
#include "dure/data/test_files.h"

namespace dure::data {
namespace {

using testing::HasSubstr;

std::vector<std::int32_t> tokens_of(const IndexedDataset& data,
                                    std::int64_t sequence) {
  std::vector<std::int32_t> tokens(data.length(sequence));
  data.read(sequence, 0, tokens);
  return tokens;
}

struct Golden {
  const char* name;
  TokenType type;
};

class NumpyFixture : public testing::TestWithParam<Golden> {
 protected:
  std::string prefix() const {
    return std::string("tests/golden/indexed/") + GetParam().name;
  }
};

// tools/golden/make_indexed_golden.py wrote the files.
TEST_P(NumpyFixture, IsReadAsWritten) {
  const IndexedDataset data(prefix());
  EXPECT_EQ(data.type(), GetParam().type);
  const TestDocuments sequences = {
      {1, 2, 3}, {4, 5}, {100, 101, 102, 103, 50, 0}, {7}, {}, {8, 9, 10}};
  ASSERT_EQ(data.sequences(), static_cast<std::int64_t>(sequences.size()));
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    EXPECT_EQ(tokens_of(data, s), sequences[s]) << "sequence " << s;
  }
  ASSERT_EQ(data.documents(), 4);
  const std::vector<std::int64_t> begins = {0, 2, 3, 3, 6};
  for (std::size_t d = 0; d < begins.size(); ++d) {
    EXPECT_EQ(data.index().document_begin(d), begins[d]) << "document " << d;
  }
  EXPECT_EQ(data.tokens(), 15);
}

TEST_P(NumpyFixture, IsWrittenByteForByte) {
  const TestDirectory directory;
  const IndexedDataset data(prefix());
  IndexedDatasetWriter writer(directory / "copy", data.type());
  std::int64_t next = 0;
  for (std::int64_t d = 0; d < data.documents(); ++d) {
    for (; next < data.index().document_begin(d + 1); ++next) {
      writer.add_sequence(tokens_of(data, next));
    }
    writer.end_document();
  }
  writer.commit();
  for (const char* suffix : {".bin", ".idx"}) {
    EXPECT_EQ(read_file(directory / "copy" + suffix),
              read_file(prefix() + suffix))
        << suffix;
  }
}

INSTANTIATE_TEST_SUITE_P(Types,
                         NumpyFixture,
                         testing::Values(Golden{"uint8", TokenType::kU8},
                                         Golden{"int8", TokenType::kI8},
                                         Golden{"int16", TokenType::kI16},
                                         Golden{"int32", TokenType::kI32},
                                         Golden{"int64", TokenType::kI64},
                                         Golden{"uint16", TokenType::kU16}),
                         [](const auto& golden) { return golden.param.name; });

// The bytes of an .idx with two documents, for damaging.
struct IndexDamage : testing::Test {
  // The offsets are those for S = 2 sequences and D = 3 document indices.
  static constexpr std::size_t kLengths = 34;
  static constexpr std::size_t kPointers = 34 + 8;
  static constexpr std::size_t kDocuments = 34 + 24;

  TestDirectory directory;
  std::string idx;

  IndexDamage() {
    write_dataset(directory / "good", {{1, 2, 3}, {258}});
    idx = read_file(directory / "good.idx");
  }

  template <typename T>
  std::string with(std::size_t offset, T value) const {
    std::string damaged = idx;
    std::memcpy(damaged.data() + offset, &value, sizeof value);
    return damaged;
  }

  // The error of opening these bytes with a .bin of 8 bytes.
  static std::string error(const std::string& bytes,
                           std::uint64_t bin_bytes = 8) {
    return error_of([&] {
      IndexView(std::as_bytes(std::span(bytes)), bin_bytes, "x.idx");
    });
  }
};

TEST_F(IndexDamage, NoneIsNoError) {
  EXPECT_EQ(error(idx), "");
}

TEST_F(IndexDamage, OfTheHeaderIsNamed) {
  EXPECT_THAT(error(""), HasSubstr("empty or truncated"));
  EXPECT_THAT(error(idx.substr(0, 33)), HasSubstr("header of 34 bytes"));
  EXPECT_THAT(error(with<char>(0, 'X')), HasSubstr("MMIDIDX"));
  EXPECT_THAT(error(with<std::uint64_t>(9, 2)), HasSubstr("version 1"));
  EXPECT_THAT(error(with<std::uint8_t>(17, 9)), HasSubstr("dtype code"));
  EXPECT_THAT(error(with<std::uint8_t>(17, 0)), HasSubstr("dtype code"));
  EXPECT_THAT(error(with<std::uint8_t>(17, 6)), HasSubstr("floating-point"));
}

TEST_F(IndexDamage, OfTheCountsIsNamed) {
  EXPECT_THAT(error(with<std::uint64_t>(18, 3)), HasSubstr("3 sequences"));
  EXPECT_THAT(error(with<std::uint64_t>(26, 0)), HasSubstr("0 document"));
  // 12 S + 8 D wraps around to the true size.
  const std::uint64_t huge = (std::uint64_t{1} << 62) + 2;
  EXPECT_THAT(error(with<std::uint64_t>(18, huge)), HasSubstr("damaged"));
  EXPECT_THAT(error(idx + "x"), HasSubstr("truncated or damaged"));
  for (std::size_t size = 34; size < idx.size(); ++size) {
    EXPECT_NE(error(idx.substr(0, size)), "") << size << " bytes";
  }
}

TEST_F(IndexDamage, OfTheSequencesIsNamed) {
  EXPECT_THAT(error(with<std::int32_t>(kLengths, -1)),
              HasSubstr("sequence 0 has a length of -1"));
  EXPECT_THAT(error(with<std::int64_t>(kPointers, -2)),
              HasSubstr("sequence 0 begins at byte -2"));
  EXPECT_THAT(error(with<std::int64_t>(kPointers + 8, 4)),
              HasSubstr("before the end of the one before"));
  EXPECT_THAT(error(with<std::int32_t>(kLengths + 4, 2)),
              HasSubstr("takes 4 bytes from 6 on, but the .bin has 8"));
  EXPECT_THAT(error(idx, 7), HasSubstr("truncated, or belongs to another"));
  const auto far = std::int64_t{1} << 62;
  EXPECT_THAT(error(with<std::int64_t>(kPointers + 8, far)),
              HasSubstr("sequence 1 takes"));
}

TEST_F(IndexDamage, OfTheDocumentsIsNamed) {
  EXPECT_THAT(error(with<std::int64_t>(kDocuments, 1)),
              HasSubstr("begin at sequence 0, not 1"));
  EXPECT_THAT(error(with<std::int64_t>(kDocuments + 8, -1)),
              HasSubstr("document index 1 is -1"));
  EXPECT_THAT(error(with<std::int64_t>(kDocuments + 16, 3)),
              HasSubstr("ends at sequence 3"));
  EXPECT_THAT(error(with<std::int64_t>(kDocuments + 16, 1)),
              HasSubstr("ends at sequence 1"));
}

TEST_F(IndexDamage, OfOneByteNeverReadsOutside) {
  const std::string bin = read_file(directory / "good.bin");
  const auto bytes = std::as_bytes(std::span(bin));
  for (std::size_t at = 0; at < idx.size(); ++at) {
    for (int value : {0, 1, 2, 127, 128, 255}) {
      const auto damaged = with(at, static_cast<std::uint8_t>(value));
      try {
        const IndexView view(
            std::as_bytes(std::span(damaged)), bin.size(), "x.idx");
        for (std::int64_t s = 0; s < view.sequences(); ++s) {
          std::vector<std::int32_t> tokens(view.length(s));
          read_tokens(view, bytes, s, 0, tokens);
        }
      } catch (const Error&) {  // fine: a sanitizer watches the rest
      }
    }
  }
}

TEST(IndexedDataset, NamesTheMissingPart) {
  const TestDirectory directory;
  EXPECT_THAT(error_of([&] { IndexedDataset(directory / "none"); }),
              HasSubstr("none.idx"));
  write_dataset(directory / "half", {{1}});
  std::filesystem::remove(directory / "half.bin");
  EXPECT_THAT(error_of([&] { IndexedDataset(directory / "half"); }),
              HasSubstr("half.bin"));
}

TEST(IndexedDataset, RefusesAnI64ThatIsNoTokenId) {
  const TestDirectory directory;
  write_dataset(directory / "wide", {{1, 2}}, TokenType::kI64);
  std::string bin = read_file(directory / "wide.bin");
  bin[15] = 1;  // the second token's top byte
  write_file_atomically(directory / "wide.bin", bin);
  const IndexedDataset data(directory / "wide");
  EXPECT_THAT(error_of([&] { tokens_of(data, 0); }),
              HasSubstr("found token id 72057594037927938"));
}

TEST(IndexedDataset, ReadsFromTheMiddleOfASequence) {
  const TestDirectory directory;
  write_dataset(directory / "x", {{9}, {10, 11, 12, 13}});
  const IndexedDataset data(directory / "x");
  std::vector<std::int32_t> two(2);
  data.read(1, 1, two);
  EXPECT_EQ(two, (std::vector<std::int32_t>{11, 12}));
}

TEST(TokenTypes, ASmallVocabularyIsStoredInTwoBytes) {
  EXPECT_EQ(token_type_for(256), TokenType::kU16);
  EXPECT_EQ(token_type_for(65499), TokenType::kU16);
  EXPECT_EQ(token_type_for(65500), TokenType::kI32);
}

}  // namespace
}  // namespace dure::data
