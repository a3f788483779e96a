#include "dure/cli/whole_numbers.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <fmt/core.h>
#include <string>

namespace dure::cli {
namespace {

// "" if the number fits, else the error, in CLI11's form.
std::string overflow_of(const std::string& text) {
  errno = 0;
  std::strtoll(text.c_str(), nullptr, 0);
  return errno == ERANGE ? fmt::format("Value {} is beyond 64 bits", text) : "";
}

}  // namespace

void refuse_overflow(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_type_name().starts_with("INT")) {
      option->check(&overflow_of);
    }
  }
  for (CLI::App* command : app.get_subcommands({})) {
    refuse_overflow(*command);
  }
}

}  // namespace dure::cli
