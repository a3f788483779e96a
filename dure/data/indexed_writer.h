// Megatron's indexed data set, writing: streaming, in constant memory, and
// either both files appear whole or neither does.
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

// Appends the tokens as `type` stores them. Throws Error for one that it can't
// hold.
void encode_tokens(TokenType type,
                   std::span<const std::int32_t> tokens,
                   std::vector<std::byte>& bytes);

// Not for use by several threads at once. Without commit() nothing is left.
class IndexedDatasetWriter {
 public:
  IndexedDatasetWriter(const std::string& prefix, TokenType type);

  TokenType type() const { return type_; }
  std::int64_t sequences() const { return sequences_; }
  std::int64_t documents() const { return documents_; }
  std::int64_t tokens() const { return tokens_; }

  // A sequence of the current document, and the end of that document.
  void add_sequence(std::span<const std::int32_t> tokens);
  void end_document();

  // Documents of one sequence each, encoded already, one after another.
  void add_documents(std::span<const std::byte> encoded,
                     std::span<const std::int32_t> lengths);

  // All documents of another data set, which must store the same type.
  void append(const IndexedDataset& other);

  // Gives the files their names, the .bin first: an .idx always finds its .bin.
  // A data set of that prefix is replaced; its .idx goes first.
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
  Spool documents_begin_;  // int64 a document: where the next one begins
  std::vector<std::byte> buffer_;
  std::int64_t sequences_ = 0;
  std::int64_t documents_ = 0;
  std::int64_t tokens_ = 0;
};

}  // namespace dure::data
