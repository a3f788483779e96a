// Runs beside one another.
#pragma once

#include <string>
#include <vector>

#include "dure/report/choices.h"
#include "dure/report/report.h"

namespace dure::report {

// A key of the configuration with its value in each run, as TOML.
struct Difference {
  std::string key = {};
  std::vector<std::string> values = {};
};

// The keys that are not the same in all, in the order of the documentation.
std::vector<Difference> differences(const std::vector<Report>& reports);

// The runs that a page can tell apart by colour.
inline constexpr std::size_t kMostRuns = 8;

// A page as page.h has it: losses, gradient norms and rates of all in one chart
// each; the losses by step, by tokens and by time; what differs in the
// configurations, and what came of it. Of two runs or more, kMostRuns at most.
std::string to_html(const std::vector<Report>& reports,
                    const Choices& choices = {});

}  // namespace dure::report
