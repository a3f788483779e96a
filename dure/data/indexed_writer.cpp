// PREFIX.bin holds the tokens of all sequences, one after another, and nothing
// else. PREFIX.idx holds, in little-endian order and without padding:
//
//   offset    bytes  field
//   0             9  magic, "MMIDIDX" and two zero bytes
//   9             8  version, 1
//   17            1  dtype code: 1 u8, 2 i8, 3 i16, 4 i32, 5 i64, 8 u16
//   18            8  S, how many sequences
//   26            8  D, how many document indices: one more than documents
//   34           4S  i32 lengths: the tokens of each sequence
//   34 + 4S      8S  i64 pointers: where each begins in the .bin, in bytes
//   34 + 12S     8D  i64 document indices: the first sequence of each
//                    document, then S
//
// The two documents (1, 2, 3) and (258), stored as u16:
//
//   .bin  01 00 02 00 03 00 02 01
//   .idx  4D 4D 49 44 49 44 58 00 00
//         01 00 00 00 00 00 00 00
//         08
//         02 00 00 00 00 00 00 00
//         03 00 00 00 00 00 00 00
//         03 00 00 00 01 00 00 00
//         00 00 00 00 00 00 00 00 06 00 00 00 00 00 00 00
//         00 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00
//         02 00 00 00 00 00 00 00
#include "dure/data/indexed_writer.h"

#include <cstring>
#include <filesystem>
#include <limits>
#include <type_traits>

#include "dure/base/check.h"
#include "dure/base/links.h"
#include "dure/base/quote.h"
#include "dure/data/indexed_format.h"

namespace dure::data {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

template <typename Stored>
void encode(std::span<const std::int32_t> tokens,
            std::vector<std::byte>& bytes) {
  const std::size_t begin = bytes.size();
  bytes.resize(begin + tokens.size() * sizeof(Stored));
  std::byte* to = bytes.data() + begin;
  for (std::int32_t token : tokens) {
    const auto stored = static_cast<Stored>(token);
    DURE_CHECK(token >= 0 && static_cast<std::int64_t>(stored) == token,
               "token id {} does not fit the data set's type of {} bytes",
               token,
               sizeof(Stored));
    std::memcpy(to, &stored, sizeof stored);
    to += sizeof stored;
  }
}

template <typename T>
void put(AtomicFile& file, T value) {
  file.write(&value, sizeof value);
}

// The path of a part; the message for a failure names both parts.
Path part(const std::string& prefix, const char* suffix) {
  DURE_CHECK(
      !prefix.empty() && prefix.back() != '/',
      "wanted a prefix for the data set's two files, such as data/text, not {}",
      quoted(prefix));
  return prefix + suffix;
}

}  // namespace

void encode_tokens(TokenType type,
                   std::span<const std::int32_t> tokens,
                   std::vector<std::byte>& bytes) {
  switch (type) {
    case TokenType::kU8:
      return encode<std::uint8_t>(tokens, bytes);
    case TokenType::kI8:
      return encode<std::int8_t>(tokens, bytes);
    case TokenType::kI16:
      return encode<std::int16_t>(tokens, bytes);
    case TokenType::kI32:
      return encode<std::int32_t>(tokens, bytes);
    case TokenType::kI64:
      return encode<std::int64_t>(tokens, bytes);
    case TokenType::kU16:
      return encode<std::uint16_t>(tokens, bytes);
  }
}

IndexedDatasetWriter::IndexedDatasetWriter(const std::string& prefix,
                                           TokenType type)
    : prefix_(prefix),
      type_(type),
      bin_(part(prefix, ".bin")),
      idx_(part(prefix, ".idx")),
      lengths_(Path(prefix).parent_path()),
      documents_begin_(Path(prefix).parent_path()) {
  buffer_.reserve(kBufferBytes);
}

void IndexedDatasetWriter::add_sequence(std::span<const std::int32_t> tokens) {
  DURE_CHECK(
      tokens.size() <= std::numeric_limits<std::int32_t>::max(),
      "a sequence of {} tokens is more than the format holds, 2147483647",
      tokens.size());
  encode_tokens(type_, tokens, buffer_);
  count_sequence(static_cast<std::int32_t>(tokens.size()));
  if (buffer_.size() >= kBufferBytes) {
    flush_bin();
  }
}

void IndexedDatasetWriter::end_document() {
  documents_begin_.write(&sequences_, sizeof sequences_);
  ++documents_;
}

void IndexedDatasetWriter::add_documents(
    std::span<const std::byte> encoded, std::span<const std::int32_t> lengths) {
  put_tokens(encoded);
  for (std::int32_t length : lengths) {
    count_sequence(length);
    end_document();
  }
}

void IndexedDatasetWriter::append(const IndexedDataset& other) {
  DURE_CHECK(other.type() == type_,
             "{} stores tokens as {}, but {} as {}; only data sets of one type "
             "can be merged",
             other.prefix(),
             name_of(other.type()),
             prefix_,
             name_of(type_));
  const std::int64_t first = sequences_;
  for (std::int64_t s = 0; s < other.sequences(); ++s) {
    const std::size_t bytes = other.length(s) * size_of(type_);
    put_tokens(other.bin_bytes().subspan(other.index().pointer(s), bytes));
    count_sequence(other.length(s));
  }
  for (std::int64_t d = 1; d <= other.documents(); ++d) {
    const std::int64_t end = first + other.index().document_begin(d);
    documents_begin_.write(&end, sizeof end);
  }
  documents_ += other.documents();
}

void IndexedDatasetWriter::put_tokens(std::span<const std::byte> encoded) {
  buffer_.insert(buffer_.end(), encoded.begin(), encoded.end());
  if (buffer_.size() >= kBufferBytes) {
    flush_bin();
  }
}

void IndexedDatasetWriter::count_sequence(std::int32_t length) {
  lengths_.write(&length, sizeof length);
  ++sequences_;
  tokens_ += length;
}

void IndexedDatasetWriter::flush_bin() {
  bin_.write(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void IndexedDatasetWriter::commit() {
  flush_bin();
  write_index();
  // The old index must not be seen beside the new tokens.
  const Path old_index = target_of(prefix_ + ".idx");
  std::error_code none;  // a missing one is fine
  if (std::filesystem::is_regular_file(old_index, none)) {
    std::filesystem::remove(old_index, none);
  }
  bin_.commit();
  idx_.commit();
}

void IndexedDatasetWriter::write_index() {
  idx_.write(kIndexMagic.data(), kIndexMagic.size());
  put(idx_, kIndexVersion);
  put(idx_, static_cast<std::uint8_t>(type_));
  put(idx_, sequences_);
  put(idx_, documents_ + 1);
  lengths_.read_back([&](std::span<const std::byte> lengths) {
    idx_.write(lengths.data(), lengths.size());
  });
  std::int64_t pointer = 0;
  std::vector<std::int64_t> pointers;
  lengths_.read_back([&](std::span<const std::byte> lengths) {
    pointers.clear();
    for (std::size_t at = 0; at < lengths.size(); at += 4) {
      pointers.push_back(pointer);
      pointer += load_unaligned<std::int32_t>(lengths.data() + at) *
                 static_cast<std::int64_t>(size_of(type_));
    }
    idx_.write(pointers.data(), pointers.size() * sizeof(std::int64_t));
  });
  put(idx_, std::int64_t{0});
  documents_begin_.read_back([&](std::span<const std::byte> begins) {
    idx_.write(begins.data(), begins.size());
  });
}

}  // namespace dure::data
