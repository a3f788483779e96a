#include "dure/checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/json.h"
#include "dure/base/quote.h"

namespace dure::checkpoint {
namespace {

using nlohmann::json;

struct DtypeRow {
  FileDtype dtype;
  const char* name;
  std::size_t bytes;
};

// The rows are in the order of the enumerators.
constexpr DtypeRow kDtypes[] = {
    {FileDtype::kF64, "F64", 8},
    {FileDtype::kF32, "F32", 4},
    {FileDtype::kF16, "F16", 2},
    {FileDtype::kBf16, "BF16", 2},
    {FileDtype::kI64, "I64", 8},
    {FileDtype::kI32, "I32", 4},
    {FileDtype::kI16, "I16", 2},
    {FileDtype::kI8, "I8", 1},
    {FileDtype::kU64, "U64", 8},
    {FileDtype::kU32, "U32", 4},
    {FileDtype::kU16, "U16", 2},
    {FileDtype::kU8, "U8", 1},
    {FileDtype::kBool, "BOOL", 1},
};

const DtypeRow& row_of(FileDtype dtype) {
  return kDtypes[static_cast<std::size_t>(dtype)];
}

FileDtype dtype_named(const std::string& name, const std::string& where) {
  for (const DtypeRow& row : kDtypes) {
    if (name == row.name) {
      return row.dtype;
    }
  }
  DURE_CHECK(false,
             "{}: dtype {} is unknown; known are F64 F32 F16 BF16, I64 I32 I16 "
             "I8, U64 U32 U16 U8 and BOOL",
             where,
             quoted(name));
  std::abort();  // not reached
}

// The header's text, and the bytes after it.
struct Parts {
  std::string_view header;
  std::span<const std::byte> data;
};

Parts split(std::span<const std::byte> file, const std::string& name) {
  DURE_CHECK(file.size() >= 8,
             "{}: not a safetensors file: it has {} bytes, and the header's "
             "length alone takes 8",
             name,
             file.size());
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i) {
    length = length << 8 | std::to_integer<std::uint64_t>(file[i]);
  }
  DURE_CHECK(length <= kHeaderLimit,
             "{}: not a safetensors file: its first 8 bytes announce a header "
             "of {} bytes; the limit is {}",
             name,
             length,
             kHeaderLimit);
  DURE_CHECK(length <= file.size() - 8,
             "{}: truncated: the header takes {} bytes and only {} follow; "
             "copy the file again",
             name,
             length,
             file.size() - 8);
  const auto* text = reinterpret_cast<const char*>(file.data()) + 8;
  DURE_CHECK(length > 0 && text[0] == '{',
             "{}: not a safetensors file: its header does not begin with {{",
             name);
  return {{text, length}, file.subspan(8 + length)};
}

Dims dims_of(const json& value, const std::string& where) {
  Dims dims;
  for (const json& dim : value) {
    DURE_CHECK(dim.is_number_unsigned() && dim.get<std::uint64_t>() >> 63 == 0,
               "{}: shape: wanted non-negative integers",
               where);
    dims.push_back(dim.get<std::int64_t>());
  }
  return dims;
}

struct Range {
  std::uint64_t begin;
  std::uint64_t end;
};

Range range_of(const json& value, const std::string& where) {
  const bool two = value.size() == 2 && value[0].is_number_unsigned() &&
                   value[1].is_number_unsigned();
  DURE_CHECK(two, "{}: data_offsets: wanted two non-negative integers", where);
  return {value[0].get<std::uint64_t>(), value[1].get<std::uint64_t>()};
}

void check_range(const Range& range,
                 const TensorEntry& entry,
                 std::uint64_t data_bytes,
                 const std::string& where) {
  DURE_CHECK(range.begin <= range.end,
             "{}: begins at {}, after its end {}",
             where,
             range.begin,
             range.end);
  DURE_CHECK(range.end <= data_bytes,
             "{}: ends at byte {} of the data, but the file has only {}; it is "
             "truncated: copy it again",
             where,
             range.end,
             data_bytes);
  // It does not multiply elements by size, which may overflow when elements
  // alone do not.
  const std::uint64_t bytes = range.end - range.begin;
  const std::size_t size = size_of(entry.dtype);
  const auto elements =
      static_cast<std::uint64_t>(elements_of(entry.shape, where));
  DURE_CHECK(bytes % size == 0 && bytes / size == elements,
             "{}: has {} bytes, but {} {} takes {} x {}",
             where,
             bytes,
             name_of(entry.dtype),
             to_string(entry.shape),
             elements,
             size);
}

TensorEntry entry_of(const std::string& name,
                     const json& value,
                     std::span<const std::byte> data,
                     const std::string& file) {
  const std::string where = file + ": tensor " + quoted(name);
  DURE_CHECK(value.is_object(), "{}: wanted an object", where);
  const JsonFields fields(value, where);
  TensorEntry entry{.name = name,
                    .dtype = dtype_named(fields.text("dtype"), where),
                    .shape = dims_of(fields.array("shape"), where),
                    .bytes = {}};
  const Range range = range_of(fields.array("data_offsets"), where);
  check_range(range, entry, data.size(), where);
  entry.bytes = data.subspan(range.begin, range.end - range.begin);
  return entry;
}

Metadata metadata_of(const json& value, const std::string& file) {
  DURE_CHECK(value.is_object(), "{}: __metadata__: wanted an object", file);
  Metadata metadata;
  for (const auto& [key, text] : value.items()) {
    DURE_CHECK(text.is_string(),
               "{}: __metadata__: {}: wanted a string",
               file,
               quoted(key));
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

// Sorts by position; then each tensor must begin where the one before it ended.
void check_contiguous(std::vector<TensorEntry>& tensors,
                      std::span<const std::byte> data,
                      const std::string& file) {
  const auto place = [](const TensorEntry& entry) {
    return std::pair(entry.bytes.data(), entry.bytes.size());
  };
  std::stable_sort(tensors.begin(),
                   tensors.end(),
                   [&](const TensorEntry& a, const TensorEntry& b) {
                     return place(a) < place(b);
                   });
  const std::byte* end = data.data();
  for (const TensorEntry& entry : tensors) {
    DURE_CHECK(entry.bytes.data() == end,
               "{}: tensor {} begins at byte {} of the data, wanted {}: "
               "tensors must follow one another without gap or overlap",
               file,
               quoted(entry.name),
               entry.bytes.data() - data.data(),
               end - data.data());
    end += entry.bytes.size();
  }
  DURE_CHECK(end == data.data() + data.size(),
             "{}: has {} bytes after the last tensor",
             file,
             data.data() + data.size() - end);
}

}  // namespace

std::size_t size_of(FileDtype dtype) {
  return row_of(dtype).bytes;
}
const char* name_of(FileDtype dtype) {
  return row_of(dtype).name;
}

FileDtype file_dtype(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return FileDtype::kF32;
    case DType::kF64:
      return FileDtype::kF64;
    case DType::kBf16:
      return FileDtype::kBf16;
    case DType::kF16:
      return FileDtype::kF16;
    case DType::kI32:
      return FileDtype::kI32;
    case DType::kI64:
      return FileDtype::kI64;
    case DType::kU16:
      return FileDtype::kU16;
    case DType::kU8:
      break;
  }
  return FileDtype::kU8;
}

std::string to_string(const Dims& dims) {
  std::string text = "(";
  for (const std::int64_t dim : dims) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(dim);
  }
  return text + ")";
}

std::int64_t elements_of(const Dims& dims, std::string_view what) {
  std::int64_t product = 1;
  for (const std::int64_t dim : dims) {
    DURE_CHECK(!__builtin_mul_overflow(product, dim, &product),
               "{}: shape {} has more elements than 64 bits can count",
               what,
               to_string(dims));
  }
  return product;
}

SafetensorsContent parse_safetensors(std::span<const std::byte> file,
                                     const std::string& name) {
  const Parts parts = split(file, name);
  const json header = parse_object(parts.header, name + ": header");
  SafetensorsContent content;
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__") {
      content.metadata = metadata_of(value, name);
    } else {
      content.tensors.push_back(entry_of(key, value, parts.data, name));
    }
  }
  check_contiguous(content.tensors, parts.data, name);
  return content;
}

SafetensorsFile::SafetensorsFile(const Path& path)
    : file_(path), content_(parse_safetensors(file_.bytes(), path.string())) {
  for (const TensorEntry& entry : content_.tensors) {
    by_name_.emplace(entry.name, &entry);
  }
}

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const TensorEntry& SafetensorsFile::at(std::string_view name) const {
  const TensorEntry* entry = find(name);
  DURE_CHECK(
      entry != nullptr, "{}: has no tensor {}", path().string(), quoted(name));
  return *entry;
}

}  // namespace dure::checkpoint
