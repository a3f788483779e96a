// The text that is shown for an exception that nobody has caught.
#pragma once

#include <exception>
#include <string>

namespace dure {

// The exception's own words. The standard library's texts are written for
// programmers, so they are replaced by what they mean: "PATH: Permission
// denied", "out of memory".
std::string message_of(const std::exception& error);

}  // namespace dure
