// The known name that a mistyped one was most likely meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace dure {

// The fewest insertions, deletions, substitutions and swaps of neighbours that
// turn one into the other (optimal string alignment).
int edit_distance(std::string_view a, std::string_view b);

// The candidate at the least distance, the first of several. It is "" if none
// is near enough to have been meant: at most a third of the name, or one
// letter, may differ.
std::string nearest(std::string_view name, std::span<const std::string> known);

// A suggestion for a message: "; did you mean train?", or, if no name is near,
// all of them: "; wanted train, eval or mesh".
std::string suggestion(std::string_view name,
                       std::span<const std::string> known);

}  // namespace dure
