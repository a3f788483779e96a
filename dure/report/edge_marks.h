// Marks at a plot's edges for values beyond its limits.
#pragma once

#include <string>

#include "dure/report/axis.h"

namespace dure::report {

// HTML. Marks that would overlap become one: that of the value furthest out,
// with the number of the others.
std::string edge_marks(const LineChart& chart, const Axes& axes);

}  // namespace dure::report
