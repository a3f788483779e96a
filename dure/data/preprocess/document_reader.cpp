#include "dure/data/preprocess/document_reader.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/utf8.h"

namespace dure::data {
namespace {

// The ending of a name in lower case, without that of a compression.
std::string ending_of(const std::string& file) {
  const auto lower = [](const std::filesystem::path& path) {
    std::string ending = path.extension().string();
    for (char& c : ending) {
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return ending;
  };
  constexpr std::array kCompressed = {".gz", ".zst", ".zstd", ".xz", ".bz2"};
  std::filesystem::path path(file);
  if (std::find(kCompressed.begin(), kCompressed.end(), lower(path)) !=
      kCompressed.end()) {
    path = path.stem();
  }
  return lower(path);
}

// How the file begins, after leading blanks.
struct Beginning {
  bool object = false;  // a brace
  bool array = false;   // of objects: a bracket and a brace
};

Beginning beginning_of(PeekedSource& source) {
  constexpr std::size_t kPeekBytes = 4096;
  constexpr std::string_view kBlank = " \t\r\n";
  const std::string_view text = source.peek(kPeekBytes);
  const std::size_t first =
      std::min(text.find_first_not_of(kBlank), text.size());
  const std::size_t second =
      std::min(text.find_first_not_of(kBlank, first + 1), text.size());
  return {.object = text.substr(first).starts_with('{'),
          .array = text.substr(first).starts_with('[') &&
                   text.substr(second).starts_with('{')};
}

bool is_json(const std::string& file, TextFormat format, PeekedSource& source) {
  const std::string ending = ending_of(file);
  const bool named = ending == ".jsonl" || ending == ".json" ||
                     ending == ".ndjson" || format == TextFormat::kJsonLines;
  if (format == TextFormat::kText ||
      (!named && (ending == ".txt" || ending == ".text"))) {
    return false;
  }
  const Beginning beginning = beginning_of(source);
  DURE_CHECK(!beginning.array,
             "{} is one JSON array; wanted JSON Lines, an object a line, such "
             "as jq -c '.[]' makes of it (or --format text)",
             file);
  return named || beginning.object;
}

// 0 for a file without a size, such as a pipe.
std::uint64_t size_of_file(const std::string& file) {
  const std::filesystem::file_status status = std::filesystem::status(file);
  DURE_CHECK(std::filesystem::exists(status), "there is no {}", file);
  DURE_CHECK(!std::filesystem::is_directory(status),
             "{} is a directory, wanted files; DIR/* names those in it",
             file);
  DURE_CHECK(::faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) == 0,
             "can't open {}: {}",
             file,
             std::strerror(errno));
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
  source_ = open_text(file);
  json_ = is_json(file, options_.format, *source_);
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
  const std::string_view bytes = batch.record(record);
  if (!batch.json) {
    const std::size_t valid = valid_utf8_prefix(bytes);
    DURE_CHECK(valid == bytes.size(),
               "{}:{}: byte {} is not UTF-8; wanted text in UTF-8, as iconv -t "
               "UTF-8 makes it (iconv -c leaves away what is broken)",
               batch.file,
               batch.records[record].number,
               valid + 1);
    return bytes;
  }
  if (bytes.find_first_not_of(" \t") == std::string_view::npos) {
    return std::nullopt;
  }
  try {
    return json_.text(bytes);
  } catch (const Error& error) {
    throw Error(
        "{}:{}: {}", batch.file, batch.records[record].number, error.what());
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
