#include "dure/data/indexed_dataset.h"

#include <cassert>
#include <fmt/core.h>
#include <limits>

#include "dure/base/check.h"
#include "dure/data/indexed_format.h"

namespace dure::data {
namespace {

// A bound on counts that keeps every size below 2^63. No file comes near it.
constexpr std::uint64_t kMostEntries = std::uint64_t{1} << 48;

TokenType checked_type(std::uint8_t code, const std::string& name) {
  DURE_CHECK(code >= 1 && code <= 8,
             "{}: wanted a dtype code of 1 to 8, found {}; the file is damaged",
             name,
             int{code});
  DURE_CHECK(
      code != 6 && code != 7,
      "{}: dtype code {} is a floating-point type, but tokens are integers",
      name,
      int{code});
  return static_cast<TokenType>(code);
}

template <typename Stored>
void convert(const std::byte* from, std::span<std::int32_t> tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto id = load_unaligned<Stored>(from + i * sizeof(Stored));
    // A negative id stays negative, and is refused where it is used.
    // NOLINTNEXTLINE(bugprone-signed-char-misuse)
    tokens[i] = static_cast<std::int32_t>(id);
  }
}

void convert_wide(const std::byte* from, std::span<std::int32_t> tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto id = load_unaligned<std::int64_t>(from + 8 * i);
    DURE_CHECK(id >= 0 && id <= std::numeric_limits<std::int32_t>::max(),
               "found token id {}, wanted 0 to 2147483647",
               id);
    tokens[i] = static_cast<std::int32_t>(id);
  }
}

MappedFile open_part(const std::string& prefix, const char* suffix) {
  const Path path = prefix + suffix;
  DURE_CHECK(std::filesystem::exists(path),
             "there is no {}; a data set is named by its prefix, for which "
             "both PREFIX.bin and PREFIX.idx exist",
             path.string());
  return MappedFile(path);
}

}  // namespace

IndexView::IndexView(std::span<const std::byte> idx,
                     std::uint64_t bin_bytes,
                     const std::string& name)
    : idx_(idx) {
  check_header(name);
  check_sequences(bin_bytes, name);
  check_documents(name);
}

void IndexView::check_header(const std::string& name) {
  DURE_CHECK(idx_.size() >= kLengthsAt,
             "{}: wanted a header of {} bytes, the file has {}; it is empty or "
             "truncated",
             name,
             kLengthsAt,
             idx_.size());
  DURE_CHECK(
      std::memcmp(idx_.data(), kIndexMagic.data(), kIndexMagic.size()) == 0,
      "{}: does not begin with MMIDIDX; this is no index of a Megatron data "
      "set",
      name);
  const auto version = load_unaligned<std::uint64_t>(idx_.data() + kVersionAt);
  DURE_CHECK(version == kIndexVersion,
             "{}: wanted version 1, found {}",
             name,
             version);
  type_ =
      checked_type(load_unaligned<std::uint8_t>(idx_.data() + kTypeAt), name);
  const auto S = load_unaligned<std::uint64_t>(idx_.data() + kSequencesAt);
  const auto D = load_unaligned<std::uint64_t>(idx_.data() + kDocumentsAt);
  const bool possible = S < kMostEntries && D >= 1 && D < kMostEntries;
  DURE_CHECK(possible && kLengthsAt + 12 * S + 8 * D == idx_.size(),
             "{}: {} sequences and {} document indices take {} of bytes, the "
             "file has {}; it is truncated or damaged",
             name,
             S,
             D,
             possible ? fmt::format("{}", kLengthsAt + 12 * S + 8 * D)
                      : "a wrong number",
             idx_.size());
  sequences_ = static_cast<std::int64_t>(S);
  documents_ = static_cast<std::int64_t>(D) - 1;
}

void IndexView::check_sequences(std::uint64_t bin_bytes,
                                const std::string& name) {
  const std::size_t width = size_of(type_);
  std::int64_t end = 0;
  for (std::int64_t s = 0; s < sequences_; ++s) {
    const std::int64_t tokens = length(s);
    const std::int64_t begin = pointer(s);
    DURE_CHECK(tokens >= 0,
               "{}: sequence {} has a length of {}; the file is damaged",
               name,
               s,
               tokens);
    DURE_CHECK(begin >= end,
               "{}: sequence {} begins at byte {}, before the end of the one "
               "before it at {}; the file is damaged",
               name,
               s,
               begin,
               end);
    const std::uint64_t bytes = static_cast<std::uint64_t>(tokens) * width;
    DURE_CHECK(static_cast<std::uint64_t>(begin) <= bin_bytes &&
                   bytes <= bin_bytes - static_cast<std::uint64_t>(begin),
               "{}: sequence {} takes {} bytes from {} on, but the .bin has "
               "{}; it is truncated, or belongs to another .idx",
               name,
               s,
               bytes,
               begin,
               bin_bytes);
    end = begin + static_cast<std::int64_t>(bytes);
    tokens_ += tokens;
  }
}

void IndexView::check_documents(const std::string& name) const {
  std::int64_t last = 0;
  DURE_CHECK(document_begin(0) == 0,
             "{}: wanted the first document to begin at sequence 0, not {}",
             name,
             document_begin(0));
  for (std::int64_t d = 1; d <= documents_; ++d) {
    const std::int64_t begin = document_begin(d);
    DURE_CHECK(begin >= last,
               "{}: document index {} is {}, below the one before it, {}; the "
               "file is damaged",
               name,
               d,
               begin,
               last);
    last = begin;
  }
  DURE_CHECK(last == sequences_,
             "{}: the last document ends at sequence {}, but there are {}; the "
             "file is damaged",
             name,
             last,
             sequences_);
}

std::int32_t IndexView::length(std::int64_t sequence) const {
  assert(sequence >= 0 && sequence < sequences_);
  return load_unaligned<std::int32_t>(idx_.data() + kLengthsAt + 4 * sequence);
}

std::int64_t IndexView::pointer(std::int64_t sequence) const {
  assert(sequence >= 0 && sequence < sequences_);
  return load_unaligned<std::int64_t>(idx_.data() + kLengthsAt +
                                      4 * sequences_ + 8 * sequence);
}

std::int64_t IndexView::document_begin(std::int64_t document) const {
  assert(document >= 0 && document <= documents_);
  return load_unaligned<std::int64_t>(idx_.data() + kLengthsAt +
                                      12 * sequences_ + 8 * document);
}

void read_tokens(const IndexView& index,
                 std::span<const std::byte> bin,
                 std::int64_t sequence,
                 std::int64_t offset,
                 std::span<std::int32_t> tokens) {
  assert(offset >= 0 && offset + static_cast<std::int64_t>(tokens.size()) <=
                            index.length(sequence));
  const std::byte* from =
      bin.data() + index.pointer(sequence) +
      static_cast<std::size_t>(offset) * size_of(index.type());
  switch (index.type()) {
    case TokenType::kU8:
      return convert<std::uint8_t>(from, tokens);
    case TokenType::kI8:
      return convert<std::int8_t>(from, tokens);
    case TokenType::kI16:
      return convert<std::int16_t>(from, tokens);
    case TokenType::kI32:
      return convert<std::int32_t>(from, tokens);
    case TokenType::kI64:
      return convert_wide(from, tokens);
    case TokenType::kU16:
      return convert<std::uint16_t>(from, tokens);
  }
}

IndexedDataset::IndexedDataset(const std::string& prefix)
    : prefix_(prefix),
      idx_(open_part(prefix, ".idx")),
      bin_(open_part(prefix, ".bin")),
      index_(idx_.bytes(), bin_.bytes().size(), prefix + ".idx") {}

void IndexedDataset::expect_unchanged() const {
  idx_.expect_unchanged();
  bin_.expect_unchanged();
}

}  // namespace dure::data
