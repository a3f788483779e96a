// The main() of a benchmark, which reports an error.
#pragma once

#include <cstdio>
#include <exception>

namespace dure::bench {

// The exit code: 0, or 1 and a line that says what was thrown.
template <typename Function>
int exit_code_of(Function&& function) {
  try {
    function();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}

}  // namespace dure::bench
