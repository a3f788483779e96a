#include "dure/data/preprocess/record_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dure/base/check.h"

namespace dure::data {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 18;
constexpr std::string_view kBlank = " \t\v\f\r\n";

// The offset of the first \n or \r from there on; the size if there is none.
std::size_t line_end(std::string_view text, std::size_t from) {
  from = std::min(from, text.size());
  const std::size_t feed = std::min(text.find('\n', from), text.size());
  const std::size_t carriage =
      text.substr(0, feed).find('\r', from);  // no further than needed
  return std::min(carriage, feed);
}

// The number of lines that end in the text; \r\n ends one.
int lines_ended(std::string_view text) {
  int lines = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool pair = text[i] == '\r' && text.substr(i + 1).starts_with('\n');
    lines += (text[i] == '\n' || text[i] == '\r') && !pair ? 1 : 0;
  }
  return lines;
}

}  // namespace

RecordReader::RecordReader(ByteSource& source, Cut cut, std::string separator)
    : source_(source), cut_(cut), separator_(std::move(separator)) {
  DURE_CHECK(cut != Cut::kSeparator || !separator_.empty(),
             "wanted a text that separates documents, not an empty one");
}

bool RecordReader::next(std::string_view& record) {
  Found found{};
  while (!find(found)) {
    if (!read_more()) {
      found = {end_ - begin_, end_ - begin_};
      if (found.end == 0) {
        return false;
      }
      break;
    }
  }
  record = unread().substr(0, found.end);
  if (cut_ == Cut::kBlankLine) {  // a "\r", or the file's last line feed
    record = record.substr(0, record.find_last_not_of(kBlank) + 1);
  }
  begin_ += found.next;
  scanned_ = 0;
  ++number_;
  return true;
}

bool RecordReader::find(Found& found) {
  switch (cut_) {
    case Cut::kLine:
      return find_line(found);
    case Cut::kSeparator:
      return find_separator(found);
    case Cut::kBlankLine:
      return find_blank_line(found);
    case Cut::kFile:
      return false;
  }
  return false;  // not reached
}

bool RecordReader::find_line(Found& found) {
  const std::string_view text = unread();
  const std::size_t at = line_end(text, scanned_);
  scanned_ = at;
  if (at == text.size()) {
    return false;
  }
  if (text[at] == '\r' && at + 1 == text.size() && !at_end_) {
    return false;  // a \n may follow and belong to it
  }
  const bool pair = text.substr(at).starts_with("\r\n");
  found = {at, at + (pair ? 2 : 1)};
  return true;
}

bool RecordReader::find_separator(Found& found) {
  const std::string_view text = unread();
  const std::size_t at = text.find(separator_, scanned_);
  if (at == std::string_view::npos) {  // it may begin in the last bytes
    scanned_ = text.size() - std::min(text.size(), separator_.size() - 1);
    return false;
  }
  found = {at, at + separator_.size()};
  return true;
}

// Finds a line's end, blanks, another line's end, and all further blank lines.
// Where these end is only known when something else, or the end, follows.
bool RecordReader::find_blank_line(Found& found) {
  const std::string_view text = unread();
  for (std::size_t at = line_end(text, scanned_); at < text.size();) {
    scanned_ = at;
    const std::size_t end =
        std::min(text.find_first_not_of(kBlank, at), text.size());
    if (end == text.size() && !at_end_) {
      return false;
    }
    const std::string_view gap = text.substr(at, end - at);
    if (lines_ended(gap) > 1) {
      found = {at, at + gap.find_last_of("\r\n") + 1};
      return true;
    }
    at = line_end(text, end);
  }
  return false;
}

bool RecordReader::read_more() {
  if (at_end_) {
    return false;
  }
  DURE_CHECK(end_ - begin_ <= kLargestRecord,
             "a single document or line has more than {} bytes; cut it, such "
             "as at blank lines",
             kLargestRecord);
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // The buffer at least doubles for a long record, so the moves above stay
  // linear in total.
  if (buffer_.size() < end_ + kReadBytes) {
    buffer_.resize(std::max(2 * buffer_.size(), end_ + kReadBytes));
  }
  const std::size_t got =
      source_.read(std::span(buffer_).subspan(end_, buffer_.size() - end_));
  end_ += got;
  at_end_ = got == 0;
  return true;
}

}  // namespace dure::data
