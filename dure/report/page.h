// A report as one HTML page that needs nothing else.
#pragma once

#include <string>

#include "dure/report/choices.h"
#include "dure/report/report.h"

namespace dure::report {

// Style and pictures are within; there are no scripts. Well-formed as XML is.
std::string to_html(const Report& report, const Choices& choices = {});

}  // namespace dure::report
