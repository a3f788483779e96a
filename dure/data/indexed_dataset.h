// Reads Megatron's indexed data set: tokens in PREFIX.bin, and in PREFIX.idx
// where each sequence begins. docs/formats/indexed_dataset.md has the layout.
//
// A sequence is the result of one call of the tokenizer; a document is a run of
// sequences. For GPT the two are the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "dure/base/files.h"
#include "dure/data/token_type.h"

namespace dure::data {

// The bytes of an .idx file, with every field checked against the others and
// against the size of the .bin. A view: the bytes must outlive it.
class IndexView {
 public:
  // Throws Error, beginning with `name`, if anything is wrong.
  IndexView(std::span<const std::byte> idx,
            std::uint64_t bin_bytes,
            const std::string& name);

  TokenType type() const { return type_; }
  std::int64_t sequences() const { return sequences_; }
  std::int64_t documents() const { return documents_; }

  // The tokens of a sequence, and the byte of the .bin where it begins.
  std::int32_t length(std::int64_t sequence) const;
  std::int64_t pointer(std::int64_t sequence) const;
  // The first sequence of a document; for `documents()`, the end of the last.
  std::int64_t document_begin(std::int64_t document) const;

  std::int64_t tokens() const { return tokens_; }

 private:
  void check_header(const std::string& name);
  void check_sequences(std::uint64_t bin_bytes, const std::string& name);
  void check_documents(const std::string& name) const;

  std::span<const std::byte> idx_;
  TokenType type_ = TokenType::kU16;
  std::int64_t sequences_ = 0;
  std::int64_t documents_ = 0;
  std::int64_t tokens_ = 0;
};

// Reads as many tokens of `sequence` as `tokens` holds, from `offset` on; they
// must exist. Throws Error if an i64 does not fit an int32.
void read_tokens(const IndexView& index,
                 std::span<const std::byte> bin,
                 std::int64_t sequence,
                 std::int64_t offset,
                 std::span<std::int32_t> tokens);

// PREFIX.bin and PREFIX.idx, mapped. Use from any thread.
class IndexedDataset {
 public:
  // Throws Error if a file is missing, empty, truncated or inconsistent.
  explicit IndexedDataset(const std::string& prefix);

  const std::string& prefix() const { return prefix_; }
  const IndexView& index() const { return index_; }
  std::span<const std::byte> index_bytes() const { return idx_.bytes(); }
  std::span<const std::byte> bin_bytes() const { return bin_.bytes(); }

  TokenType type() const { return index_.type(); }
  std::int64_t sequences() const { return index_.sequences(); }
  std::int64_t documents() const { return index_.documents(); }
  std::int64_t tokens() const { return index_.tokens(); }
  std::int32_t length(std::int64_t sequence) const {
    return index_.length(sequence);
  }

  // Throws Error if a file was cut short, or grew, since it was opened.
  void expect_unchanged() const;

  void read(std::int64_t sequence,
            std::int64_t offset,
            std::span<std::int32_t> tokens) const {
    read_tokens(index_, bin_.bytes(), sequence, offset, tokens);
  }

 private:
  std::string prefix_;
  MappedFile idx_;
  MappedFile bin_;
  IndexView index_;
};

}  // namespace dure::data
