#include "dure/data/preprocess/preprocess.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "dure/base/check.h"
#include "dure/data/indexed_writer.h"
#include "dure/data/preprocess/ordered_pipeline.h"

namespace dure::data {
namespace {

// A worker's result for a batch.
struct EncodedBatch {
  std::vector<std::byte> tokens;
  std::vector<std::int32_t> lengths;
  std::int64_t empty_documents = 0;
  std::uint64_t text_bytes = 0;
  std::uint64_t input_bytes = 0;
};

// An encoder for each thread.
class BatchEncoder {
 public:
  BatchEncoder(const Tokenizer& tokenizer,
               const std::string& text_key,
               std::optional<std::int32_t> end_of_document)
      : tokenizer_(tokenizer),
        extractor_(text_key),
        type_(token_type_for(tokenizer.vocabulary())),
        end_of_document_(end_of_document) {}

  EncodedBatch encode(const DocumentBatch& batch) {
    EncodedBatch encoded;
    encoded.input_bytes = batch.input_bytes;
    for (std::size_t i = 0; i < batch.records.size(); ++i) {
      if (const auto text = extractor_.text(batch, i)) {
        add(*text, encoded);
      }
    }
    return encoded;
  }

 private:
  void add(std::string_view text, EncodedBatch& encoded) {
    ids_.clear();
    tokenizer_.encode(text, ids_);
    if (ids_.empty()) {
      ++encoded.empty_documents;
      return;
    }
    if (end_of_document_) {
      ids_.push_back(*end_of_document_);
    }
    encode_tokens(type_, ids_, encoded.tokens);
    encoded.lengths.push_back(static_cast<std::int32_t>(ids_.size()));
    encoded.text_bytes += text.size();
  }

  const Tokenizer& tokenizer_;
  DocumentExtractor extractor_;
  TokenType type_;
  std::optional<std::int32_t> end_of_document_;
  std::vector<std::int32_t> ids_;
};

std::optional<std::int32_t> end_token(const Tokenizer& tokenizer,
                                      EndOfDocument wanted) {
  if (wanted == EndOfDocument::kNone) {
    return std::nullopt;
  }
  const auto token = tokenizer.end_of_document();
  if (wanted == EndOfDocument::kAppend && !token) {
    throw UsageError(
        "the tokenizer has no end-of-document token to append; --no-eod does "
        "without");
  }
  return token;
}

void write(EncodedBatch& batch,
           IndexedDatasetWriter& writer,
           PreprocessReport& report) {
  writer.add_documents(batch.tokens, batch.lengths);
  report.documents = writer.documents();
  report.tokens = writer.tokens();
  report.empty_documents += batch.empty_documents;
  report.text_bytes += batch.text_bytes;
  report.input_bytes = batch.input_bytes;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace

PreprocessReport preprocess(const Tokenizer& tokenizer,
                            const PreprocessOptions& options) {
  assert(options.workers >= 1);
  BatchReader reader(options.input);
  const auto end = end_token(tokenizer, options.end_of_document);
  std::vector<std::unique_ptr<BatchEncoder>> encoders;
  encoders.reserve(options.workers);
  for (int i = 0; i < options.workers; ++i) {
    encoders.push_back(
        std::make_unique<BatchEncoder>(tokenizer, options.input.text_key, end));
  }
  IndexedDatasetWriter writer(options.output,
                              token_type_for(tokenizer.vocabulary()));
  PreprocessReport report;
  report.total_input_bytes = reader.total_bytes();
  OrderedPipeline<DocumentBatch, EncodedBatch> pipeline(
      [&](DocumentBatch& batch) { return reader.next(batch); },
      [&](int worker, DocumentBatch& batch) {
        return encoders[worker]->encode(batch);
      },
      [&](EncodedBatch& batch) {
        write(batch, writer, report);
        if (options.progress) {
          options.progress(report);
        }
      });
  pipeline.run(options.workers);
  DURE_CHECK(report.documents > 0,
             "there is no document with any text in {}",
             joined(options.input.files));
  writer.commit();
  return report;
}

PreprocessReport merge_datasets(const std::vector<std::string>& prefixes,
                                const std::string& output) {
  DURE_CHECK(!prefixes.empty(), "wanted the prefixes of data sets to merge");
  std::vector<std::unique_ptr<IndexedDataset>> parts;
  parts.reserve(prefixes.size());
  for (const std::string& prefix : prefixes) {  // all are checked before
    parts.push_back(std::make_unique<IndexedDataset>(prefix));
  }
  IndexedDatasetWriter writer(output, parts[0]->type());
  for (const auto& part : parts) {
    writer.append(*part);
  }
  writer.commit();
  PreprocessReport report;
  report.documents = writer.documents();
  report.tokens = writer.tokens();
  return report;
}

}  // namespace dure::data
