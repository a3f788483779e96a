// Documents from files: JSON Lines or plain text, compressed or not.
//
// Reading has two halves, so that the costly one can run on many threads:
// BatchReader cuts the files into records (on one thread, near the speed of
// memory), and DocumentExtractor turns these into texts (one for each thread).
// DocumentReader is both in one, for reading one document after another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dure/data/preprocess/json_text.h"
#include "dure/data/preprocess/record_reader.h"
#include "dure/data/preprocess/text_source.h"

namespace dure::data {

enum class TextFormat : std::uint8_t {
  kAuto,       // by the name's ending (.jsonl, .json, .txt; before .gz and its
               // like), else JSON Lines where the first character is {
  kJsonLines,  // an object a line
  kText,       // plain, cut into documents
};

struct DocumentOptions {
  std::vector<std::string> files;
  TextFormat format = TextFormat::kAuto;
  std::string text_key = "text";  // of JSON Lines
  Cut cut = Cut::kFile;           // of plain text
  std::string separator = {};     // for Cut::kSeparator
};

// Whole records of one file, in their order.
struct DocumentBatch {
  struct Record {
    std::size_t begin;
    std::size_t size;
    std::int64_t number;  // see RecordReader::number()
  };

  std::string file;
  bool json = false;
  std::string bytes;  // of all records, and JsonText::kPadding more
  std::vector<Record> records;
  std::uint64_t input_bytes = 0;  // the files' own bytes, read so far

  std::string_view record(std::size_t i) const {
    return std::string_view(bytes).substr(records[i].begin, records[i].size);
  }
};

class BatchReader {
 public:
  // Throws Error before any work if a file is missing or may not be read.
  explicit BatchReader(DocumentOptions options);

  // Fills the batch with about `bytes` bytes of records, at least one record.
  // Returns false at the end of the last file.
  bool next(DocumentBatch& batch, std::size_t bytes = std::size_t{1} << 18);

  // The sizes of all files on disk together.
  std::uint64_t total_bytes() const { return total_bytes_; }

 private:
  // Goes on to the next file; false after the last.
  bool open_next();
  void fill(DocumentBatch& batch, std::size_t bytes);

  DocumentOptions options_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t finished_bytes_ = 0;  // of files that are through
  std::size_t next_file_ = 0;
  bool json_ = false;
  std::unique_ptr<PeekedSource> source_;
  std::optional<RecordReader> records_;
};

// For use by one thread: each has its own.
class DocumentExtractor {
 public:
  explicit DocumentExtractor(std::string text_key)
      : json_(std::move(text_key)) {}

  // The text of a record; none for a blank line of JSON Lines. Valid until the
  // next call. Throws Error, naming file and line.
  std::optional<std::string_view> text(const DocumentBatch& batch,
                                       std::size_t record);

 private:
  JsonText json_;
};

class DocumentReader {
 public:
  explicit DocumentReader(DocumentOptions options);

  // Reads the next document that is not empty, valid until the next call.
  // Returns false at the end.
  bool next(std::string_view& text);

  std::uint64_t total_bytes() const { return reader_.total_bytes(); }
  std::uint64_t input_bytes() const { return batch_.input_bytes; }

 private:
  BatchReader reader_;
  DocumentExtractor extractor_;
  DocumentBatch batch_;
  std::size_t next_ = 0;  // record of the batch
};

}  // namespace dure::data
