// The known name that a mistyped one was most likely meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace dure {

// The fewest insertions, deletions, substitutions and swaps of neighbours that
// turn one into the other (optimal string alignment).
int edit_distance(std::string_view a, std::string_view b);

// The candidate at the least distance, the first of several; "" of none.
std::string nearest(std::string_view name, std::span<const std::string> known);

}  // namespace dure
