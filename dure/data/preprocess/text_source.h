// Text: UTF-8 with or without a byte order mark, compressed by gzip, zstd, xz,
// bzip2 or not at all. The first bytes decide, not the name. Every file is
// opened and read once, from the first byte on, so pipes work.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dure/data/preprocess/byte_source.h"

namespace dure::data {

// Removes the byte order mark. Throws Error, here or in read(), for a file that
// is missing, damaged or truncated, and for one that is no such text (an
// archive, a table, UTF-16), which it names.
std::unique_ptr<PeekedSource> open_text(const std::string& path);

// Messages call it `name`.
std::unique_ptr<PeekedSource> as_text(std::unique_ptr<ByteSource> source,
                                      const std::string& name);

// Reads all of it. Throws Error for more than a GiB.
std::string whole_text(ByteSource& text);

// The lines as Cut::kLine cuts them.
std::vector<std::string> lines_of(std::string_view text);

}  // namespace dure::data
