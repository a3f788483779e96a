// Short numbers that tell contents apart: XXH3, 64 bits.
#pragma once

#include <cstdint>
#include <string_view>

#include "dure/base/files.h"

namespace dure {

std::uint64_t fingerprint(std::string_view text);

// Of a file's size and of what is in it: all of a file of up to 64 MiB; of a
// larger one stretches that are spread over it, so that its time is bounded.
// Throws Error where it can't be read.
std::uint64_t fingerprint_of_file(const Path& path);

// Of the names and sizes of all files right in a folder, and of what is in
// those of up to 1 MiB: of a checkpoint, its manifest. 0 where there is none.
std::uint64_t fingerprint_of_folder(const Path& path);

}  // namespace dure
