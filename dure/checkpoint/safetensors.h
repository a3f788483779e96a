// Reads the safetensors format [1]: named tensors in one memory-mapped file.
//
//   u64 little-endian: H, the bytes of the header
//   H bytes: a JSON object, name -> {"dtype", "shape", "data_offsets"}, and
//            "__metadata__" -> {string: string}; may end in spaces
//   the tensors' bytes, row-major, little-endian, without gaps
//
// A file is refused as a whole, with one Error that says what is wrong with it:
// nothing in it is used before everything was checked.
// docs/formats/safetensors.md describes it at length.
//
// [1] Hugging Face, "Safetensors", https://github.com/huggingface/safetensors
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/files.h"
#include "dure/tensor/dtype.h"

namespace dure::checkpoint {

// The types that a file may hold; we compute with DType.
enum class FileDtype : std::uint8_t {
  kF64,
  kF32,
  kF16,
  kBf16,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
};

std::size_t size_of(FileDtype dtype);
const char* name_of(FileDtype dtype);  // as files spell it: "BF16"
FileDtype file_dtype(DType dtype);

using Dims = std::vector<std::int64_t>;
using Metadata = std::map<std::string, std::string>;

std::string to_string(const Dims& dims);  // "(4, 256)"

// The product of dims. Throws Error, beginning with `what`, if it exceeds
// 2^63 - 1.
std::int64_t elements_of(const Dims& dims, std::string_view what = "tensor");

// The largest header that we read (the reference's limit).
inline constexpr std::uint64_t kHeaderLimit = 100'000'000;

struct TensorEntry {
  std::string name;
  FileDtype dtype = FileDtype::kF32;
  Dims shape;
  std::span<const std::byte> bytes;  // not aligned: copy out, don't cast
};

struct SafetensorsContent {
  std::vector<TensorEntry> tensors;  // in the order of their bytes
  Metadata metadata;
};

// The contents of `file`; the entries' bytes point into it. `name` is for
// errors.
SafetensorsContent parse_safetensors(std::span<const std::byte> file,
                                     const std::string& name);

// A mapped file. Threads: any number may read.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const Path& path);

  std::span<const TensorEntry> tensors() const { return content_.tensors; }
  const Metadata& metadata() const { return content_.metadata; }
  const Path& path() const { return file_.path(); }

  const TensorEntry* find(std::string_view name) const;  // nullptr: none
  const TensorEntry& at(std::string_view name) const;    // Error: none

  // The offset in the file at which a tensor's bytes begin.
  std::uint64_t offset(const TensorEntry& entry) const {
    return static_cast<std::uint64_t>(entry.bytes.data() -
                                      file_.bytes().data());
  }

 private:
  MappedFile file_;
  SafetensorsContent content_;
  std::map<std::string_view, const TensorEntry*> by_name_;
};

}  // namespace dure::checkpoint
