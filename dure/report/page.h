// A report as one HTML page that needs no other file.
#pragma once

#include <string>

#include "dure/report/choices.h"
#include "dure/report/report.h"

namespace dure::report {

// Contains its style and pictures, and no scripts. Well-formed as XML.
std::string to_html(const Report& report, const Choices& choices = {});

}  // namespace dure::report
