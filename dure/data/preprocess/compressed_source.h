// Compressed bytes, read through the libraries of their formats.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "dure/data/preprocess/byte_source.h"

namespace dure::data {

enum class Compression : std::uint8_t { kNone, kGzip, kZstandard, kXz, kBzip2 };

// The compression by the first six bytes.
Compression compression_of(std::string_view bytes);

// The contents of the file's members (streams, frames), one after another. Zero
// bytes after them, as tapes and blocks leave, are ignored. read() throws
// Error, beginning with `name`, if the data is damaged or ends too early, or if
// something else follows it.
std::unique_ptr<ByteSource> decompress(std::unique_ptr<ByteSource> source,
                                       Compression compression,
                                       const std::string& name);

}  // namespace dure::data
