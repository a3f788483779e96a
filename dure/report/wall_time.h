// How long a run took by the wall clock.
#pragma once

#include <string>
#include <vector>

#include "dure/run/run_facts.h"

namespace dure::report {

struct WallTime {
  double seconds = 0;    // of the starts whose end was written
  std::size_t open = 0;  // the others: running, or broken off
};
WallTime wall_time(const std::vector<train::RunStart>& starts);

// "3 min 20 s", "3 min 20 s in 2 starts, and one without an end".
std::string wall_time_text(const std::vector<train::RunStart>& starts);

}  // namespace dure::report
