// The page around what there is to show: one file, with its style inside.
#pragma once

#include <string>

namespace dure::report {

// Well-formed as XML is. `body` is HTML, `title` is text.
std::string document(const std::string& title, const std::string& body);

}  // namespace dure::report
