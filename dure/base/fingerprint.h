// Short numbers that tell contents apart: XXH3, 64 bits.
#pragma once

#include <cstdint>
#include <string_view>

#include "dure/base/files.h"

namespace dure {

std::uint64_t fingerprint(std::string_view text);

// A fingerprint of a file's size and contents. Up to 64 MiB are read whole; of
// a larger file only stretches are read, spread over it, so that the time is
// bounded. Throws Error if it can't be read.
std::uint64_t fingerprint_of_file(const Path& path);

// A fingerprint of the names and sizes of all files directly in a folder, and
// of the contents of those of up to 1 MiB, such as a checkpoint's manifest. 0
// if there is no such folder.
std::uint64_t fingerprint_of_folder(const Path& path);

}  // namespace dure
