// From text to token files: the work of `dure preprocess`.
//
//   reader ──batches──> workers: extract, tokenize, encode ──> ordered writer
//
// Memory is bounded by the batches in flight and the longest document; it does
// not grow with the input. The result does not depend on the number of workers.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dure/data/preprocess/document_reader.h"
#include "dure/data/tokenizer/tokenizer.h"

namespace dure::data {

struct PreprocessReport {
  std::int64_t documents = 0;        // written
  std::int64_t empty_documents = 0;  // skipped
  std::int64_t tokens = 0;           // ends of documents included
  std::uint64_t text_bytes = 0;      // of the documents
  std::uint64_t input_bytes = 0;     // of the files, read so far
  std::uint64_t total_input_bytes = 0;
};

enum class EndOfDocument : std::uint8_t {
  kWhereKnown,  // after every document, if the tokenizer has such a token
  kAppend,      // after every document; an error if it has none
  kNone,
};

struct PreprocessOptions {
  DocumentOptions input;
  std::string output;  // prefix
  int workers = 1;
  EndOfDocument end_of_document = EndOfDocument::kWhereKnown;
  // Called now and then, from the calling thread.
  std::function<void(const PreprocessReport&)> progress = {};
};

// Writes OUTPUT.bin and OUTPUT.idx. Throws Error for bad input (with the file
// and line), for input without a document and for a full disk; then nothing is
// written.
PreprocessReport preprocess(const Tokenizer& tokenizer,
                            const PreprocessOptions& options);

// Joins data sets of one token type, in order, into OUTPUT.
PreprocessReport merge_datasets(const std::vector<std::string>& prefixes,
                                const std::string& output);

}  // namespace dure::data
