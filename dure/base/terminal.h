// The terminal, or other file, that people read a descriptor's output on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dure {

// The characters in a line of the terminal now; nothing if it is no terminal.
std::optional<std::size_t> terminal_columns(int file);

// Whether it is a terminal that may show colours: TERM is not "dumb", and
// NO_COLOR (no-color.org) is unset or empty.
bool has_colours(int file);

enum class Colour : std::uint8_t { kRed, kGreen, kYellow };

// The text, bold and coloured if the file shows colours.
std::string coloured(std::string_view text, Colour colour, int file);

}  // namespace dure
