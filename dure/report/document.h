// The HTML document around a page's contents: one file, with its style inside.
#pragma once

#include <string>

namespace dure::report {

// Well-formed as XML. `body` is HTML, `title` is text.
std::string document(const std::string& title, const std::string& body);

}  // namespace dure::report
