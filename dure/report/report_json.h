// The facts of the pages without their pictures, as JSON objects.
#pragma once

#include <string>
#include <vector>

#include "dure/report/report.h"

namespace dure::report {

std::string to_json(const Report& report);

// Of runs beside one another: `runs`, an array of the above, and `different`,
// by key of the configuration that is not the same in all, an array of values.
std::string to_json(const std::vector<Report>& reports);

}  // namespace dure::report
