// A command's output: standard output, and files that it names.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "dure/base/files.h"

namespace dure::cli {

// Prints the text at once, for output that is read while it grows. Throws Error
// if it can't be written.
void put(std::string_view text);

// Prints the object, indented. It is complete text before its first byte is
// printed, so it appears whole or not at all. Bytes that are not UTF-8 become
// U+FFFD, because JSON has no way to hold them.
void put_json(const nlohmann::ordered_json& value);

// The exit code of a command that has ended with `code`. If its output did not
// arrive (a full disk, a closed descriptor), it says so and returns another
// code. If the reader is gone (`| head -1`), the process ends by SIGPIPE
// instead, as every command does.
int end_output(int code);

// Throws UsageError if `output`, given by `option`, is one of the files or
// directories that the command reads, by whatever name or link, because its
// result would replace its input. Devices and pipes are allowed.
void refuse_own_input(std::string_view option,
                      const Path& output,
                      const std::vector<Path>& inputs);

// Whether some output could not be written.
bool output_failed();

}  // namespace dure::cli
