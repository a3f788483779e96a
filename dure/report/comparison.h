// A comparison of several runs.
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

// The keys whose values differ, in the order of the documentation.
std::vector<Difference> differences(const std::vector<Report>& reports);

// The runs that a page can tell apart by colour.
inline constexpr std::size_t kMostRuns = 8;

// A page like that of page.h: losses, gradient norms and rates of all runs in
// one chart each; the losses by step, by tokens and by time; the differences of
// the configurations, and the results. Takes two to kMostRuns runs.
std::string to_html(const std::vector<Report>& reports,
                    const Choices& choices = {});

}  // namespace dure::report
