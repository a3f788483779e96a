#include "dure/report/wall_time.h"

#include <fmt/format.h>

#include "dure/report/ticks.h"

namespace dure::report {

WallTime wall_time(const std::vector<train::RunStart>& starts) {
  WallTime time;
  for (const train::RunStart& start : starts) {
    if (start.end) {
      time.seconds += start.end->seconds;
    } else {
      ++time.open;
    }
  }
  return time;
}

std::string wall_time_text(const std::vector<train::RunStart>& starts) {
  const WallTime time = wall_time(starts);
  const std::size_t ended = starts.size() - time.open;
  if (ended == 0) {
    return "no end was written yet";
  }
  std::string text = seconds_text(time.seconds);
  if (ended > 1) {
    text += fmt::format(" in {} starts", ended);
  }
  if (time.open > 0) {
    text += fmt::format(", and {} without an end", time.open);
  }
  return text;
}

}  // namespace dure::report
