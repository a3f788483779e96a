// Compressed bytes, read through the libraries of their formats.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "dure/data/byte_source.h"

namespace dure::data {

enum class Compression : std::uint8_t { kNone, kGzip, kZstandard, kXz, kBzip2 };

// By the first bytes; six of them are enough.
Compression compression_of(std::string_view bytes);

// What the members (streams, frames) of the file hold, one after another. Zero
// bytes behind them, as tapes and blocks leave, count for nothing. read()
// throws Error, beginning with `name`, where the data is damaged or ends too
// early, or where something else follows it.
std::unique_ptr<ByteSource> decompress(std::unique_ptr<ByteSource> source,
                                       Compression compression,
                                       const std::string& name);

}  // namespace dure::data
