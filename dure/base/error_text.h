// What is shown of an exception that nobody caught before.
#pragma once

#include <exception>
#include <string>

namespace dure {

// Its own words; but of the standard library's, which are for programmers, what
// they mean: "PATH: Permission denied", "out of memory".
std::string message_of(const std::exception& error);

}  // namespace dure
