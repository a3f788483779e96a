// Text that somebody else wrote, as part of a message of ours.
#pragma once

#include <string>
#include <string_view>

namespace dure {

// The text in double quotes. Control characters, quotes, backslashes and bytes
// that are not UTF-8 are escaped (\n, \t, \", \\, \x1b), so that nothing in it
// can move a cursor, end a line or look like our own words. Of a text of more
// than `most` bytes the beginning is shown, then "...".
std::string quoted(std::string_view text, std::size_t most = 200);

// As above, without the quotes and with quotes as they are: for a whole message
// or line on its way to a terminal. Line ends and tabs stay.
std::string printable(std::string_view text);

}  // namespace dure
