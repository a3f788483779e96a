// The sizes with which schedules are tested.
#pragma once

#include <fmt/core.h>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/parallel/pipeline/schedule.h"

namespace dure::parallel {

// Sets chunks to 2 for zb-v, and micro_batches_per_update for pipedream-2bw.
inline ScheduleOptions options_for(ScheduleKind kind,
                                   int stages,
                                   int micro_batches,
                                   int chunks = 1) {
  ScheduleOptions options = {.kind = kind,
                             .ranks = stages,
                             .micro_batches = micro_batches,
                             .chunks = chunks};
  if (kind == ScheduleKind::kZbV) {
    options.chunks = 2;
  }
  if (kind == ScheduleKind::kPipedream2bw) {
    options.micro_batches_per_update =
        micro_batches % stages == 0 ? stages : micro_batches;
  }
  return options;
}

inline bool is_valid(const ScheduleOptions& options) {
  try {
    validate(options);
    return true;
  } catch (const UsageError&) {
    return false;
  }
}

// Every schedule that can have these sizes.
inline std::vector<ScheduleOptions> every_schedule(
    const std::vector<int>& stages,
    const std::vector<int>& micro_batches,
    const std::vector<int>& chunks) {
  std::vector<ScheduleOptions> every;
  for (const NamedSchedule& schedule : schedules()) {
    for (const int p : stages) {
      for (const int m : micro_batches) {
        for (const int v : chunks) {
          const ScheduleOptions options = options_for(schedule.value, p, m, v);
          if (is_valid(options) && options.chunks == v) {
            every.push_back(options);
          }
        }
      }
    }
  }
  return every;
}

inline std::vector<int> numbers(int first, int last) {
  std::vector<int> all;
  for (int n = first; n <= last; ++n) {
    all.push_back(n);
  }
  return all;
}

inline std::vector<ScheduleOptions> every_small_schedule() {
  return every_schedule(numbers(1, 8), numbers(1, 24), {1, 2, 3, 4});
}

inline std::vector<ScheduleOptions> every_large_schedule() {
  return every_schedule({4, 8, 16}, {16, 32, 64, 128}, {1, 2, 4});
}

inline std::string text_of(const ScheduleOptions& options) {
  return fmt::format("{} p {} m {} v {}",
                     name_of(options.kind),
                     options.ranks,
                     options.micro_batches,
                     options.chunks);
}

}  // namespace dure::parallel
