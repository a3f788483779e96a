// Errors: one exception type, one macro.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace dure {

// An error that a user or the machine can cause: a bad configuration, a short
// file, a mesh that does not divide. A bug of our own is an assert(), never an
// Error.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The command line or the configuration is wrong: exit code 2, not 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

// The arguments, one after another, as operator<< prints them.
template <typename... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

// Throws Error(message).
[[noreturn]] void fail(const std::string& message);

}  // namespace dure

// DURE_CHECK(condition, parts of the message...). The message says what was
// wanted and what came, with the values. It is read in the log of a job of 512
// ranks, so it does not say where in our sources it was raised.
#define DURE_CHECK(condition, ...)               \
  do {                                           \
    if (!(condition)) [[unlikely]] {             \
      ::dure::fail(::dure::concat(__VA_ARGS__)); \
    }                                            \
  } while (false)
