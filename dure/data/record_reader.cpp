#include "dure/data/record_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dure/base/check.h"

namespace dure::data {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 18;
constexpr std::string_view kBlank = " \t\r\v\f";

}  // namespace

RecordReader::RecordReader(ByteSource& source, Cut cut, std::string separator)
    : source_(source),
      cut_(cut),
      separator_(cut == Cut::kLine ? "\n" : std::move(separator)) {
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
    record = record.substr(0, record.find_last_not_of(" \t\r\v\f\n") + 1);
  }
  begin_ += found.next;
  scanned_ = 0;
  ++number_;
  return true;
}

bool RecordReader::find(Found& found) {
  switch (cut_) {
    case Cut::kLine:
    case Cut::kSeparator:
      return find_text(separator_, found);
    case Cut::kBlankLine:
      return find_blank_line(found);
    case Cut::kFile:
      return false;
  }
  return false;  // not reached
}

bool RecordReader::find_text(std::string_view text, Found& found) {
  const std::string_view unread_text = unread();
  const std::size_t at = unread_text.find(text, scanned_);
  if (at == std::string_view::npos) {  // it may begin in the last bytes
    scanned_ =
        unread_text.size() - std::min(unread_text.size(), text.size() - 1);
    return false;
  }
  found = {at, at + text.size()};
  return true;
}

// A line feed, blanks, a line feed, and then all further blank lines: these can
// only be told from the rest when something else, or the end, follows.
bool RecordReader::find_blank_line(Found& found) {
  const std::string_view text = unread();
  for (std::size_t at = text.find('\n', scanned_); at != std::string_view::npos;
       at = text.find('\n', at + 1)) {
    scanned_ = at;
    std::size_t last = at;  // the last line feed of the gap
    std::size_t next = at;
    do {
      last = next;
      next = text.find_first_not_of(kBlank, last + 1);
    } while (next != std::string_view::npos && text[next] == '\n');
    if (next == std::string_view::npos && !at_end_) {
      return false;
    }
    if (last != at) {
      found = {at, last + 1};
      return true;
    }
  }
  return false;
}

bool RecordReader::read_more() {
  if (at_end_) {
    return false;
  }
  DURE_CHECK(end_ - begin_ <= kLargestRecord,
             "a single document or line has more than ",
             kLargestRecord,
             " bytes; cut it, such as at blank lines");
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // At least doubles with a long record: the moves above stay linear in all.
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
