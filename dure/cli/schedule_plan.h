// The schedules that `dure plan schedule` replays, made from options, or the
// reason why there are none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dure/parallel/pipeline/replay.h"

namespace dure::cli {

inline constexpr const char* kAllSchedules = "all";

struct ScheduleRequest {
  std::string name = kAllSchedules;
  int stages = 0;
  int micro_batches = 0;
  int virtual_stages = 0;  // 0: as many as the schedule needs
  int update_every = 0;    // 0: as few as the schedule takes
  double forward = 1;
  std::optional<double> backward = {};
  std::optional<double> input = {};
  std::optional<double> weight = {};
  double message = 0;
};

struct SchedulePlan {
  parallel::ScheduleOptions schedule;
  parallel::Replay replay = {};
  std::string refused = {};  // why it can't have these sizes; else empty

  // The largest bubble of a rank.
  double bubble() const;
  double share_of_time() const { return bubble() / replay.period; }
  double share_of_work() const { return bubble() / (replay.period - bubble()); }
};

// Throws UsageError if the times contradict one another.
parallel::PassTimes times_of(const ScheduleRequest& request);

// Throws UsageError if the named schedule can't have these sizes.
SchedulePlan plan_schedule(const ScheduleRequest& request);
// A plan for each schedule.
std::vector<SchedulePlan> plan_all_schedules(const ScheduleRequest& request);

}  // namespace dure::cli
