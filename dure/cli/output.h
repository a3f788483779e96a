// Where a command's result goes: standard output, and files that it names.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "dure/base/files.h"

namespace dure::cli {

// Prints it now, for what is read while it grows. Throws Error where it can't
// be written.
void put(std::string_view text);

// Prints the object, indented. It is text before the first byte of it is
// printed, so it is whole or absent. Bytes that are not UTF-8 become U+FFFD:
// JSON has no other way.
void put_json(const nlohmann::ordered_json& value);

// The exit code of a command that has ended with `code`: another where what it
// printed did not arrive (a full disk, a closed descriptor), which is said.
// Where the reader is gone (`| head -1`), the process ends by SIGPIPE instead,
// as every command does.
int end_output(int code);

// Throws UsageError where `output`, which `option` gave, is one of the files or
// directories that the command reads, by whatever name or link: it would be
// replaced by what was made of it. Devices and pipes are nobody's own.
void refuse_own_input(std::string_view option,
                      const Path& output,
                      const std::vector<Path>& inputs);

// Whether something that was printed could not be written.
bool output_failed();

}  // namespace dure::cli
