#include "dure/base/terminal.h"

#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

namespace dure {
namespace {

const char* code_of(Colour colour) {
  switch (colour) {
    case Colour::kRed:
      return "\033[1;31m";
    case Colour::kGreen:
      return "\033[1;32m";
    case Colour::kYellow:
      break;
  }
  return "\033[1;33m";
}

}  // namespace

std::optional<std::size_t> terminal_columns(int file) {
  winsize size{};
  if (::ioctl(file, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) {
    return std::nullopt;
  }
  return size.ws_col;
}

bool has_colours(int file) {
  const char* const unwanted = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  return ::isatty(file) == 1 && (unwanted == nullptr || *unwanted == '\0') &&
         terminal != nullptr && std::string_view(terminal) != "dumb";
}

std::string coloured(std::string_view text, Colour colour, int file) {
  if (!has_colours(file)) {
    return std::string(text);
  }
  return code_of(colour) + std::string(text) + "\033[0m";
}

}  // namespace dure
