// Cuts a stream of bytes into records: lines, or the documents of a plain text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dure/data/preprocess/byte_source.h"

namespace dure::data {

// Where one record ends and the next begins. The separator belongs to neither.
enum class Cut : std::uint8_t {
  kLine,       // at a line's end: \n, \r\n or \r
  kBlankLine,  // at lines of nothing but spaces; a record's end is trimmed
  kSeparator,  // at a given text
  kFile,       // nowhere: the whole file is one record
};

// Holds one record in memory at a time, and about a megabyte besides.
class RecordReader {
 public:
  // `separator` is for Cut::kSeparator; the source must outlive the reader.
  RecordReader(ByteSource& source, Cut cut, std::string separator = "");

  // Reads the next record, valid until the next call; false at the end. An
  // empty record counts, except after the last separator. Throws Error for a
  // record of more than kLargestRecord bytes.
  bool next(std::string_view& record);

  // The number of the last record, from 1; with Cut::kLine, the line's number.
  std::int64_t number() const { return number_; }

  static constexpr std::size_t kLargestRecord = std::size_t{1} << 30;

 private:
  // Offsets from the start of the buffer.
  struct Found {
    std::size_t end;   // of the record
    std::size_t next;  // begins here
  };

  bool find(Found& found);
  bool find_line(Found& found);
  bool find_separator(Found& found);
  bool find_blank_line(Found& found);
  bool read_more();

  std::string_view unread() const {
    return std::string_view(buffer_).substr(begin_, end_ - begin_);
  }

  ByteSource& source_;
  Cut cut_;
  std::string separator_;
  std::string buffer_;
  std::size_t begin_ = 0;    // the first byte not returned yet, in the buffer
  std::size_t end_ = 0;      // the end of the bytes that were read
  std::size_t scanned_ = 0;  // from begin_ on: holds no separator
  bool at_end_ = false;      // of the source
  std::int64_t number_ = 0;
};

}  // namespace dure::data
