// Errors: one exception type, one macro.
#pragma once

#include <fmt/core.h>
#include <stdexcept>
#include <utility>

namespace dure {

// An error that a user or the machine can cause: a bad configuration, a short
// file, a mesh that does not divide. A bug of our own is an assert(), never an
// Error. The message is a text, or a format string of fmt with its arguments.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;

  template <typename First, typename... Rest>
  Error(fmt::format_string<First, Rest...> message,
        First&& first,
        Rest&&... rest)
      : runtime_error(fmt::format(
            message, std::forward<First>(first), std::forward<Rest>(rest)...)) {
  }
};

// The command line or the configuration is wrong: exit code 2, not 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

// Throws Error with the message, a format string of fmt with its arguments.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) {
  throw Error(fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace dure

// DURE_CHECK(condition, "wanted {}, got {}", wanted, got). The message says
// what was wanted and what came, with the values. It is read in the log of a
// job of 512 ranks, so it does not say where in our sources it was raised.
#define DURE_CHECK(condition, ...)   \
  do {                               \
    if (!(condition)) [[unlikely]] { \
      ::dure::fail(__VA_ARGS__);     \
    }                                \
  } while (false)
