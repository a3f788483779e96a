// The facts of the pages, without pictures, as JSON objects.
#pragma once

#include <string>
#include <vector>

#include "dure/report/report.h"

namespace dure::report {

std::string to_json(const Report& report);

// A comparison of runs: `runs`, an array of the objects above, and `different`,
// an array of values for each key of the configuration whose values differ.
std::string to_json(const std::vector<Report>& reports);

}  // namespace dure::report
