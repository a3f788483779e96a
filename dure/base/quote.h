// Text that somebody else wrote, as part of a message of ours.
#pragma once

#include <string>
#include <string_view>

namespace dure {

// The text in double quotes. Control characters, quotes, backslashes and bytes
// that are not UTF-8 are escaped (\n, \t, \", \\, \x1b), so that nothing in it
// can move a cursor, end a line or look like our own words. A text of more than
// `most` bytes is cut, and "..." follows.
//
// An object, not a function: where <iomanip> is included, a call with a
// std::string would find std::quoted as well, and take it as the better match.
struct Quoted {
  std::string operator()(std::string_view text, std::size_t most = 200) const;
};
// Named as the function that it stands for.
inline constexpr Quoted quoted;  // NOLINT(readability-identifier-naming)

// A name of a tensor, a file or a key, for a table or a message: quoted unless
// it consists of letters, digits and the marks of such names.
std::string shown_name(std::string_view name);

// Escapes a whole message or line on its way to a terminal as quoted() does,
// but adds no quotes and leaves quotes, line ends and tabs as they are.
std::string printable(std::string_view text);

}  // namespace dure
