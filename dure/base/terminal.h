// What is at the other end of a file descriptor that people read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dure {

// Characters in a line of it, as it is now; nothing where it is no terminal.
std::optional<std::size_t> terminal_columns(int file);

// Whether it is a terminal that shows colours to one who wants them: TERM is
// not "dumb", and NO_COLOR (no-color.org) is not set, or empty.
bool has_colours(int file);

enum class Colour : std::uint8_t { kRed, kGreen, kYellow };

// The text, in bold and that colour where the file shows it.
std::string coloured(std::string_view text, Colour colour, int file);

}  // namespace dure
