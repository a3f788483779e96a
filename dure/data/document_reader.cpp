#include "dure/data/document_reader.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <utility>

#include "dure/base/check.h"

namespace dure::data {
namespace {

// The ending of a name in lower case, ".gz" left away.
std::string ending_of(const std::string& file) {
  std::filesystem::path path(file);
  if (path.extension() == ".gz") {
    path = path.stem();
  }
  std::string ending = path.extension().string();
  for (char& c : ending) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return ending;
}

bool begins_with_a_brace(const std::string& file) {
  std::array<char, 4096> start{};
  const std::size_t size = open_bytes(file)->read(start);
  const auto text = std::string_view(start.data(), size);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

bool is_json(const std::string& file, TextFormat format) {
  if (format != TextFormat::kAuto) {
    return format == TextFormat::kJsonLines;
  }
  const std::string ending = ending_of(file);
  if (ending == ".jsonl" || ending == ".json" || ending == ".ndjson") {
    return true;
  }
  return ending != ".txt" && ending != ".text" && begins_with_a_brace(file);
}

// 0 for what has no size, such as a pipe.
std::uint64_t size_of_file(const std::string& file) {
  const std::filesystem::file_status status = std::filesystem::status(file);
  DURE_CHECK(std::filesystem::exists(status), "there is no ", file);
  DURE_CHECK(!std::filesystem::is_directory(status),
             file,
             " is a directory, wanted files; DIR/* names those in it");
  std::error_code none;
  const auto size = std::filesystem::file_size(file, none);
  return none ? 0 : size;
}

}  // namespace

BatchReader::BatchReader(DocumentOptions options)
    : options_(std::move(options)) {
  for (const std::string& file : options_.files) {
    total_bytes_ += size_of_file(file);
  }
}

bool BatchReader::open_next() {
  if (source_ != nullptr) {
    finished_bytes_ += source_->position();
    records_.reset();
    source_.reset();
  }
  if (next_file_ == options_.files.size()) {
    return false;
  }
  const std::string& file = options_.files[next_file_++];
  json_ = is_json(file, options_.format);
  source_ = open_bytes(file);
  records_.emplace(*source_,
                   json_ ? Cut::kLine : options_.cut,
                   json_ ? "" : options_.separator);
  return true;
}

bool BatchReader::next(DocumentBatch& batch, std::size_t bytes) {
  batch.records.clear();
  batch.bytes.clear();
  while (batch.records.empty()) {
    if (records_) {
      fill(batch, bytes);
    }
    if (batch.records.empty() && !open_next()) {
      return false;
    }
  }
  batch.bytes.resize(batch.bytes.size() + JsonText::kPadding);
  return true;
}

void BatchReader::fill(DocumentBatch& batch, std::size_t bytes) {
  batch.file = options_.files[next_file_ - 1];
  batch.json = json_;
  std::string_view record;
  while (batch.bytes.size() < bytes && records_->next(record)) {
    batch.records.push_back(
        {batch.bytes.size(), record.size(), records_->number()});
    batch.bytes.append(record);
  }
  batch.input_bytes = finished_bytes_ + source_->position();
}

std::optional<std::string_view> DocumentExtractor::text(
    const DocumentBatch& batch, std::size_t record) {
  std::string_view bytes = batch.record(record);
  if (!batch.json) {
    return bytes;
  }
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (batch.records[record].number == 1 && bytes.starts_with(kByteOrderMark)) {
    bytes.remove_prefix(kByteOrderMark.size());
  }
  if (bytes.find_first_not_of(" \t\r") == std::string_view::npos) {
    return std::nullopt;
  }
  try {
    return json_.text(bytes);
  } catch (const Error& error) {
    throw Error(concat(
        batch.file, ":", batch.records[record].number, ": ", error.what()));
  }
}

DocumentReader::DocumentReader(DocumentOptions options)
    : reader_(options), extractor_(std::move(options.text_key)) {}

bool DocumentReader::next(std::string_view& text) {
  for (;;) {
    if (next_ == batch_.records.size()) {
      next_ = 0;
      if (!reader_.next(batch_)) {
        return false;
      }
    }
    const auto found = extractor_.text(batch_, next_++);
    if (found && !found->empty()) {
      text = *found;
      return true;
    }
  }
}

}  // namespace dure::data
