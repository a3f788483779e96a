// What of a line chart is beyond its limits, said at the plot's edges.
#pragma once

#include <string>

#include "dure/report/axis.h"

namespace dure::report {

// HTML. Neighbours that would lie over one another are one mark: that of the
// value which is furthest out, and how many more there are.
std::string edge_marks(const LineChart& chart, const Axes& axes);

}  // namespace dure::report
