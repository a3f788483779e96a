// Writes Megatron's indexed data set: streaming, in constant memory. Either
// both files appear whole or neither does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dure/base/files.h"
#include "dure/data/indexed_dataset.h"
#include "dure/data/spool.h"
#include "dure/data/token_type.h"

namespace dure::data {

// Appends the tokens in the type's bytes. Throws Error for a token that does
// not fit.
void encode_tokens(TokenType type,
                   std::span<const std::int32_t> tokens,
                   std::vector<std::byte>& bytes);

// For use by one thread. Without commit() nothing is left on disk.
class IndexedDatasetWriter {
 public:
  IndexedDatasetWriter(const std::string& prefix, TokenType type);

  TokenType type() const { return type_; }
  std::int64_t sequences() const { return sequences_; }
  std::int64_t documents() const { return documents_; }
  std::int64_t tokens() const { return tokens_; }

  // Add a sequence to the current document, and end that document.
  void add_sequence(std::span<const std::int32_t> tokens);
  void end_document();

  // Adds documents of one sequence each, encoded already, one after another.
  void add_documents(std::span<const std::byte> encoded,
                     std::span<const std::int32_t> lengths);

  // Appends all documents of another data set, which must have the same type.
  void append(const IndexedDataset& other);

  // Gives the files their names, the .bin first, so that an .idx always finds
  // its .bin. It replaces an existing data set, whose .idx is removed first.
  void commit();

 private:
  void put_tokens(std::span<const std::byte> encoded);
  void count_sequence(std::int32_t length);
  void flush_bin();
  void write_index();

  std::string prefix_;
  TokenType type_;
  AtomicFile bin_;
  AtomicFile idx_;
  Spool lengths_;          // int32 a sequence
  Spool documents_begin_;  // int64 a document: the start of the next one
  std::vector<std::byte> buffer_;
  std::int64_t sequences_ = 0;
  std::int64_t documents_ = 0;
  std::int64_t tokens_ = 0;
};

}  // namespace dure::data
