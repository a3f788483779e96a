#include "dure/data/preprocess/text_source.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "dure/base/check.h"
#include "dure/data/preprocess/compressed_source.h"
#include "dure/data/preprocess/record_reader.h"

namespace dure::data {
namespace {

using namespace std::string_view_literals;

constexpr const char* kUnpack = "unpack it, and give the files in it";
constexpr const char* kDecompress = "decompress it first";
constexpr const char* kExport = "write its text out, such as to JSON Lines";

struct Kind {
  std::string_view bytes;
  const char* name;
  const char* advice;
  std::size_t offset = 0;
};

// Files that are not text. The marks of UTF-32 come before those of UTF-16,
// because one of them begins with one of these.
constexpr std::array kKinds = {
    Kind{"\xFF\xFE\0\0"sv, "UTF-32", "iconv -f UTF-32 -t UTF-8 converts it"},
    Kind{"\0\0\xFE\xFF"sv, "UTF-32", "iconv -f UTF-32 -t UTF-8 converts it"},
    Kind{"\xFF\xFE"sv, "UTF-16", "iconv -f UTF-16 -t UTF-8 converts it"},
    Kind{"\xFE\xFF"sv, "UTF-16", "iconv -f UTF-16 -t UTF-8 converts it"},
    Kind{"PK\x03\x04"sv, "a zip archive", kUnpack},
    Kind{"PK\x05\x06"sv, "an empty zip archive", kUnpack},
    Kind{"7z\xBC\xAF\x27\x1C"sv, "a 7z archive", kUnpack},
    Kind{"Rar!\x1A\x07"sv, "a rar archive", kUnpack},
    Kind{"ustar"sv, "a tar archive", kUnpack, 257},
    Kind{"\x04\x22\x4D\x18"sv, "compressed by lz4", kDecompress},
    Kind{"\x02\x21\x4C\x18"sv, "compressed by lz4", kDecompress},
    Kind{"LZIP\x01"sv, "compressed by lzip", kDecompress},
    Kind{"\x89LZO\0"sv, "compressed by lzop", kDecompress},
    Kind{"\x1F\x9D"sv, "compressed by compress", kDecompress},
    Kind{"\x5D\0\0"sv, "compressed by lzma", kDecompress},
    Kind{"\xFF\x06\0\0sNaPpY"sv, "compressed by snappy", kDecompress},
    Kind{"PAR1"sv, "a Parquet file", kExport},
    Kind{"ARROW1\0\0"sv, "an Arrow file", kExport},
    Kind{"\xFF\xFF\xFF\xFF"sv, "an Arrow stream", kExport},
    Kind{"Obj\x01"sv, "an Avro file", kExport},
    Kind{"\x89HDF\r\n"sv, "an HDF5 file", kExport},
    Kind{"SQLite format 3\0"sv, "an SQLite database", kExport},
    Kind{"\x93NUMPY"sv, "a NumPy array", kExport},
    Kind{"%PDF-"sv, "a PDF document", kExport},
    Kind{"\x7F"
         "ELF"sv,
         "a program",
         kExport},
    Kind{"version https://git-lfs"sv,
         "what Git LFS left in place of a file",
         "git lfs pull fetches it"},
    Kind{"MMIDIDX\0"sv,
         "the .idx of a data set",
         "that is what preprocessing writes; give its prefix to data.train"}};

// The kind of a file of mostly zeros; nothing for any other.
std::optional<Kind> kind_of_zeros(std::string_view bytes) {
  constexpr std::size_t kFewest = 8;
  std::array<std::size_t, 2> zeros{};  // at even and at odd places
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    zeros[i % 2] += bytes[i] == '\0' ? 1 : 0;
  }
  if (bytes.size() < kFewest || 4 * (zeros[0] + zeros[1]) < bytes.size()) {
    return std::nullopt;
  }
  constexpr const char* kMarkless = "UTF-16 without a byte order mark";
  return zeros[0] == 0
             ? Kind{{}, kMarkless, "iconv -f UTF-16LE -t UTF-8 converts it"}
         : zeros[1] == 0
             ? Kind{{}, kMarkless, "iconv -f UTF-16BE -t UTF-8 converts it"}
             : Kind{{}, "full of zero bytes", "give another file"};
}

std::optional<Kind> kind_of(std::string_view bytes) {
  for (const Kind& kind : kKinds) {
    if (bytes.substr(std::min(kind.offset, bytes.size()))
            .starts_with(kind.bytes)) {
      return kind;
    }
  }
  if (compression_of(bytes) != Compression::kNone) {
    return Kind{{}, "compressed twice", kDecompress};
  }
  return kind_of_zeros(bytes);
}

}  // namespace

std::unique_ptr<PeekedSource> as_text(std::unique_ptr<ByteSource> source,
                                      const std::string& name) {
  constexpr std::size_t kPeekBytes = 4096;
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  auto text = std::make_unique<PeekedSource>(std::move(source));
  const Compression compression = compression_of(text->peek(kPeekBytes));
  if (compression != Compression::kNone) {
    text = std::make_unique<PeekedSource>(
        decompress(std::move(text), compression, name));
  }
  const std::string_view beginning = text->peek(kPeekBytes);
  if (const auto kind = kind_of(beginning)) {
    throw Error(
        "{} is {}; wanted text in UTF-8; {}", name, kind->name, kind->advice);
  }
  if (beginning.starts_with(kByteOrderMark)) {
    text->skip(kByteOrderMark.size());
  }
  return text;
}

std::unique_ptr<PeekedSource> open_text(const std::string& path) {
  return as_text(open_file(path), path);
}

std::string whole_text(ByteSource& text) {
  RecordReader reader(text, Cut::kFile);
  std::string_view all;
  return reader.next(all) ? std::string(all) : std::string();
}

std::vector<std::string> lines_of(std::string_view text) {
  MemorySource source(text);
  RecordReader reader(source, Cut::kLine);
  std::vector<std::string> lines;
  std::string_view line;
  while (reader.next(line)) {
    lines.emplace_back(line);
  }
  return lines;
}

}  // namespace dure::data
