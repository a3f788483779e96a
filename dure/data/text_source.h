// Text: UTF-8 with or without a byte order mark, compressed by gzip, zstd, xz,
// bzip2 or not at all. What it is, the first bytes say, not the name.
// Everything is opened once and read once, from the first byte on, so that
// pipes will do.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dure/data/byte_source.h"

namespace dure::data {

// Gives no byte order mark. Throws Error, here or in read(), for what is
// missing, damaged or truncated, for what is no such text (archives, tables,
// UTF-16), by its name.
std::unique_ptr<PeekedSource> open_text(const std::string& path);

// `name` is for messages.
std::unique_ptr<PeekedSource> as_text(std::unique_ptr<ByteSource> source,
                                      const std::string& name);

// All of it. Throws Error for more than a GiB.
std::string whole_text(ByteSource& text);

// As Cut::kLine cuts them.
std::vector<std::string> lines_of(std::string_view text);

}  // namespace dure::data
