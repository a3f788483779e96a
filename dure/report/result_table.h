// The results of runs, a column each.
#pragma once

#include <vector>

#include "dure/report/markup.h"
#include "dure/report/report.h"

namespace dure::report {

Table result_table(const std::vector<Report>& reports);

}  // namespace dure::report
